-- Up to which slot every transaction of ours is stored. A restored backup says by it what it may lack.
CREATE TABLE chain_known (id INTEGER PRIMARY KEY CHECK (id = 1), slot INTEGER NOT NULL);
