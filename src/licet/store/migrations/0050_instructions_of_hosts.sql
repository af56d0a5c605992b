-- What a host instructs its model with is a turn, of the role `system`, which a policy permits by its origin.
ALTER TABLE turns DROP CONSTRAINT role_is_known;
ALTER TABLE turns ADD CONSTRAINT role_is_known CHECK (role IN ('user', 'assistant', 'tool', 'system'));
