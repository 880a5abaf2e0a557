# Two kinds of individuals in one release: each has enough.

-- asked by: C
-- leak: ten people, and one account
SELECT COUNT(*) FROM air.members m JOIN bank.accounts b ON m.email = b.email WHERE b.kind = 'joint'
-- suppressed

-- asked by: C
SELECT b.kind, COUNT(DISTINCT m.email), SUM(m.points) FROM air.members m JOIN bank.accounts b ON m.email = b.email WHERE m.tier <> 'x' AND b.kind = 'joint' GROUP BY b.kind
-- suppressed

-- asked by: C
-- leak: two counts that differ by ten people of one account
SELECT COUNT(*), COUNT(*) FILTER (WHERE b.kind <> 'joint') FROM air.members m JOIN bank.accounts b ON m.email = b.email
-- suppressed

-- asked by: C
SELECT SUM(m.points), SUM(m.points) FILTER (WHERE b.kind = 'own') FROM air.members m JOIN bank.accounts b ON m.email = b.email
-- suppressed

-- asked by: C
-- leak: the same by a condition on the person
SELECT COUNT(*), COUNT(*) FILTER (WHERE m.tier <> 'black' OR m.tier IS NULL) FROM air.members m JOIN bank.accounts b ON m.email = b.email
-- suppressed

-- asked by: C
SELECT COUNT(b.email) FROM air.members m LEFT JOIN bank.accounts b ON m.email = b.email AND b.kind = 'joint'
-- suppressed

-- asked by: C
-- leak: an account is not the key that is compared, and takes ten people away at once
SELECT COUNT(*) FROM air.members m WHERE m.email NOT IN (SELECT email FROM bank.accounts WHERE kind = 'joint')
-- refused: JOIN_KEY

-- asked by: C
SELECT COUNT(*) FROM (SELECT email FROM air.members INTERSECT SELECT email FROM bank.accounts) i
-- refused: JOIN_KEY

-- asked by: C
SELECT COUNT(*) FROM (SELECT email FROM air.members UNION SELECT email FROM bank.accounts) u
-- refused: SET_OPERATION

-- asked by: C
-- leak: own list, two accounts
SELECT COUNT(*) FROM lists.crm c LEFT JOIN bank.accounts b ON c.email = b.email WHERE c.weight < 4 AND b.kind = 'joint'
-- suppressed
