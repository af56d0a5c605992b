-- The release whose rows a build carries: a build that was killed goes on only with the same.
ALTER TABLE builds ADD COLUMN base uuid REFERENCES releases;
