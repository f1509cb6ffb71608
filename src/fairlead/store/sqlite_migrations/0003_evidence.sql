-- The answers that settled an attempt, as JSON: from them a proof for outsiders can be written.
ALTER TABLE attempts ADD COLUMN evidence TEXT;
