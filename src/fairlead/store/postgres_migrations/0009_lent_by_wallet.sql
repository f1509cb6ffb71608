-- What ended orders of each wallet have lent: how many latches that an attempt took are not reclaimed yet.
-- Kept by the table itself, so that nobody has to count its rows. Whoever writes latches has the row of
-- `lent` locked, so that two never wait for each other here.
CREATE TABLE fairlead.lent_by (wallet text PRIMARY KEY, taken bigint NOT NULL);
INSERT INTO fairlead.lent_by
SELECT t.wallet, count(*) FROM fairlead.latches l JOIN fairlead.terms t ON t.order_id = l.order_id
WHERE l.taken AND l.state IN ('waiting', 'reclaiming') GROUP BY t.wallet;

CREATE FUNCTION fairlead.latches_lent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fairlead.lent_by AS b
    SELECT t.wallet, count(*) FROM noted n JOIN fairlead.terms t ON t.order_id = n.order_id
    WHERE n.taken GROUP BY t.wallet
    ON CONFLICT (wallet) DO UPDATE SET taken = b.taken + excluded.taken;
    RETURN NULL;
END $$;
CREATE TRIGGER latches_lent AFTER INSERT ON fairlead.latches
    REFERENCING NEW TABLE AS noted FOR EACH STATEMENT EXECUTE FUNCTION fairlead.latches_lent();

CREATE FUNCTION fairlead.latches_given_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE fairlead.lent_by b SET taken = b.taken - g.given
    FROM (
        SELECT t.wallet, count(*) AS given
        FROM before o JOIN after n ON n.address = o.address
        JOIN fairlead.terms t ON t.order_id = n.order_id
        WHERE n.taken AND o.state IN ('waiting', 'reclaiming')
            AND n.state IN ('reclaimed', 'absent')
        GROUP BY t.wallet
    ) g WHERE b.wallet = g.wallet;
    RETURN NULL;
END $$;
CREATE TRIGGER latches_given_back AFTER UPDATE ON fairlead.latches
    REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION fairlead.latches_given_back();
