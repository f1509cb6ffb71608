-- Up to which slot every transaction of ours is stored. A restored backup says by it what it may lack.
CREATE TABLE fairlead.chain_known (id int PRIMARY KEY CHECK (id = 1), slot bigint NOT NULL);
