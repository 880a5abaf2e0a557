# Two kinds of individuals in one release.

-- asked by: C
SELECT COUNT(*) AS n, COUNT(*) FILTER (WHERE m.tier = 'gold') AS gold, SUM(b.balance) AS balance, COUNT(DISTINCT m.email) AS people
FROM air.members m JOIN bank.accounts b ON m.email = b.email WHERE m.tier IN ('gold', 'blue')
-- equals:
SELECT COUNT(*), COUNT(*) FILTER (WHERE m.tier = 'gold'), SUM(b.balance), COUNT(DISTINCT m.email)
FROM air.members m JOIN bank.accounts b ON m.email = b.email WHERE m.tier IN ('gold', 'blue')

-- asked by: C
SELECT m.tier, COUNT(*) AS n, AVG(b.balance) AS a, SUM(m.points) AS p FROM air.members m JOIN bank.accounts b ON m.email = b.email WHERE b.kind = 'own' GROUP BY m.tier
-- equals:
SELECT m.tier, COUNT(*), AVG(b.balance), SUM(m.points) FROM air.members m JOIN bank.accounts b ON m.email = b.email WHERE b.kind = 'own' GROUP BY m.tier HAVING COUNT(DISTINCT b.account) >= 3

-- asked by: C
SELECT COUNT(*) AS n, COUNT(b.email) AS owners FROM air.members m LEFT JOIN (SELECT email, kind FROM bank.accounts WHERE kind = 'own') b ON m.email = b.email
-- equals:
SELECT COUNT(*), COUNT(b.email) FROM air.members m LEFT JOIN bank.accounts b ON m.email = b.email AND b.kind = 'own'

-- asked by: C
SELECT c.arm, COUNT(*) AS n, COUNT(b.email) AS owners, SUM(b.balance) AS s FROM lists.crm c LEFT JOIN bank.accounts b ON c.email = b.email GROUP BY c.arm
-- equals:
SELECT c.arm, COUNT(*), COUNT(b.email), SUM(b.balance) FROM lists.crm c LEFT JOIN bank.accounts b ON c.email = b.email GROUP BY c.arm
