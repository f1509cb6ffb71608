-- What ended orders of each wallet have lent: how many latches that an attempt took are not reclaimed yet.
-- Kept by the table itself, so that nobody has to count its rows.
CREATE TABLE lent_by (wallet TEXT PRIMARY KEY, taken INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO lent_by
SELECT t.wallet, count(*) FROM latches l CROSS JOIN terms t ON t.order_id = l.order_id
WHERE l.taken AND l.state IN ('waiting', 'reclaiming') GROUP BY t.wallet;

CREATE TRIGGER latches_lent AFTER INSERT ON latches WHEN NEW.taken BEGIN
    INSERT INTO lent_by SELECT wallet, 1 FROM terms WHERE order_id = NEW.order_id
    ON CONFLICT (wallet) DO UPDATE SET taken = taken + 1;
END;
CREATE TRIGGER latches_given_back AFTER UPDATE OF state ON latches
WHEN NEW.taken AND OLD.state IN ('waiting', 'reclaiming') AND NEW.state IN ('reclaimed', 'absent')
BEGIN
    UPDATE lent_by SET taken = taken - 1
    WHERE wallet = (SELECT wallet FROM terms WHERE order_id = NEW.order_id);
END;
