-- A base backup copies pages, on which what was erased before it may still lie: a certificate names it all the same.
ALTER TABLE backups ADD base boolean NOT NULL DEFAULT false;
