# What is absent from a list or a table, with one of the two parts too small. Rules: H5, H12.

-- asked by: C
-- leak: all members but one, if that one is a member
SELECT COUNT(*) FROM air.members WHERE email NOT IN (SELECT email FROM lists.one)
-- suppressed

-- asked by: C
SELECT COUNT(*) FROM air.members m WHERE NOT EXISTS (SELECT 1 FROM lists.one o WHERE o.email = m.email)
-- suppressed

-- asked by: C
SELECT COUNT(*), SUM(points) FROM air.members m LEFT ANTI JOIN lists.one o ON o.email = m.email
-- suppressed

-- asked by: C
SELECT COUNT(*) FROM (SELECT email FROM air.members EXCEPT SELECT email FROM lists.one) e
-- suppressed

-- asked by: C
-- leak: one member is on no list
SELECT SUM(points) FROM air.members WHERE email NOT IN (SELECT email FROM lists.allbut)
-- suppressed

-- asked by: C
-- leak: inventions hide that one of the list is there
SELECT COUNT(*) FROM lists.one WHERE email NOT IN (SELECT email FROM air.members)
-- suppressed

-- asked by: C
SELECT COUNT(*) FROM (SELECT email FROM lists.one EXCEPT SELECT email FROM air.members) e
-- suppressed

-- asked by: C
SELECT COUNT(*) FROM lists.one o LEFT JOIN air.members m ON o.email = m.email WHERE m.email IS NULL
-- suppressed

-- asked by: C
-- leak: 59 members have no match among all, the match of one is missing
SELECT COUNT(*), COUNT(m.email) FROM lists.one o LEFT JOIN air.members m ON o.email = m.email
-- suppressed

-- asked by: C
SELECT COUNT(*) FROM air.members m LEFT JOIN lists.one o ON o.email = m.email
-- suppressed

-- asked by: C
-- leak: the group of NULLs is the complement
SELECT o.email IS NULL, COUNT(*) FROM air.members m LEFT JOIN lists.one o ON o.email = m.email GROUP BY 1
-- refused: COLUMN_USE

-- asked by: C
SELECT o.c, COUNT(*) FROM air.members m LEFT JOIN (SELECT email, 'x' AS c FROM lists.one) o ON o.email = m.email GROUP BY o.c
-- suppressed

-- asked by: C
-- leak: the one member that is in no group of the list
SELECT o.c, COUNT(*) FROM air.members m LEFT JOIN (SELECT email, 'x' AS c FROM lists.allbut) o ON o.email = m.email GROUP BY o.c
-- suppressed

-- asked by: C
SELECT SUM(m.points) FROM air.members m FULL JOIN lists.one o ON o.email = m.email
-- suppressed

-- asked by: C
SELECT COUNT(*) FROM air.members m FULL JOIN lists.allbut o ON o.email = m.email
-- suppressed

-- asked by: C
-- leak: nobody is left over, and the answer would say so
SELECT COUNT(*) FROM air.members m WHERE m.email NOT IN (SELECT email FROM lists.crm)
-- suppressed

-- asked by: C
-- leak: nobody of them is there
SELECT COUNT(*) FROM lists.crm c WHERE weight < 4 AND c.email NOT IN (SELECT email FROM air.members WHERE tier = 'black')
-- suppressed

-- asked by: C
-- leak: a selection on the other side's NULLs
SELECT COUNT(*) FROM air.members m LEFT JOIN (SELECT email, arm FROM lists.crm WHERE weight < 8) c ON m.email = c.email WHERE coalesce(c.arm, 'none') = 'none'
-- refused: ABSENCE

-- asked by: C
SELECT COUNT(*) FROM air.members m LEFT JOIN hotel.guests g ON m.email = g.email WHERE g.country IS NULL
-- refused: ABSENCE

-- asked by: C
SELECT COUNT(*) FROM air.members m LEFT JOIN hotel.guests g ON m.email = g.email WHERE g.country = 'FR' OR m.tier = 'gold'
-- refused: ABSENCE

-- asked by: C
SELECT COUNT(*) FROM air.members m FULL JOIN cars.renters r ON m.email = r.email WHERE m.tier IS NULL OR r.class IS NULL
-- refused: ABSENCE

-- asked by: C
SELECT COUNT(*) FILTER (WHERE c.arm IS NULL) FROM air.members m LEFT JOIN lists.crm c ON m.email = c.email
-- refused: ABSENCE

-- asked by: C
-- leak: a condition within the value, whose complement is not counted
SELECT COUNT(*) FILTER (WHERE tier = 'black') FROM air.members m WHERE email NOT IN (SELECT email FROM lists.thrice)
-- refused: ABSENCE

-- asked by: C
-- leak: the other side's key leads on to a third table, and does so only where it is there
SELECT COUNT(*) FROM lists.crm c LEFT JOIN air.members m ON c.email = m.email JOIN cars.renters r ON c.email = r.email
-- refused: ABSENCE

-- asked by: C
SELECT COUNT(*) FROM air.members m LEFT JOIN hotel.guests g ON m.email = g.email WHERE g.email IN (SELECT email FROM cars.renters)
-- refused: ABSENCE

-- asked by: C
-- leak: absence within what is compared with
SELECT COUNT(*) FROM air.members WHERE email IN (SELECT email FROM hotel.guests EXCEPT SELECT email FROM lists.one)
-- refused: ABSENCE

-- asked by: C
SELECT COUNT(*) FROM (SELECT email FROM air.members EXCEPT (SELECT email FROM hotel.guests EXCEPT SELECT email FROM lists.one)) e
-- refused: ABSENCE

-- asked by: C
SELECT COUNT(*) FROM air.members m LEFT JOIN (SELECT g.email FROM hotel.guests g LEFT JOIN lists.one o ON g.email = o.email) g ON m.email = g.email
-- refused: ABSENCE

-- asked by: C
-- leak: own rows count as often as they are repeated
SELECT COUNT(*) FROM lists.thrice t LEFT JOIN air.members m ON t.email = m.email
-- refused: NOT_UNIQUE

-- asked by: C
SELECT COUNT(*) FROM lists.thrice t WHERE t.email NOT IN (SELECT email FROM air.members)
-- refused: NOT_UNIQUE

-- asked by: C
SELECT SUM(m.points) FROM air.members m LEFT JOIN lists.thrice t ON t.email = m.email
-- refused: NOT_UNIQUE

-- asked by: C
-- leak: own numbers of those who are there, or of those who are not
SELECT SUM(c.weight) FROM lists.crm c LEFT JOIN air.members m ON c.email = m.email
-- refused: OWN_VALUES

-- asked by: C
SELECT SUM(c.weight) FROM lists.crm c WHERE c.email NOT IN (SELECT email FROM air.members)
-- refused: OWN_VALUES

-- asked by: C
SELECT SUM(c.weight), COUNT(c.arm) FROM air.members m LEFT JOIN lists.crm c ON c.email = m.email
-- refused: OWN_VALUES, OWN_VALUES

-- asked by: C
-- leak: the keys of those who are not there
SELECT c.email, COUNT(*) FROM lists.crm c WHERE c.email NOT IN (SELECT email FROM air.members) GROUP BY c.email
-- refused: COLUMN_USE

-- asked by: C
SELECT email FROM lists.crm EXCEPT SELECT email FROM air.members
-- refused: ROW_OUTPUT

-- asked by: C
SELECT * FROM lists.crm c LEFT JOIN air.members m ON c.email = m.email
-- refused: ROW_OUTPUT

-- asked by: C
-- leak: the policy allows inner and semi joins
SELECT COUNT(*) FROM shop.sales s LEFT JOIN lists.crm c ON s.email = c.email
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM lists.crm c LEFT JOIN shop.sales s ON s.email = c.email
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM air.members m WHERE NOT EXISTS (SELECT 1 FROM telco.lines t WHERE t.phone = m.email)
-- refused: JOIN_KEY

-- asked by: C
-- leak: a household is no key of the other table; one of them could take away many rows
SELECT COUNT(*) FROM hotel.guests g WHERE g.card NOT IN (SELECT card FROM hotel.guests)
-- refused: JOIN_KEY, JOIN_NOT_ALLOWED

-- asked by: C
-- leak: NULL is not in the list, and not out of it either
SELECT COUNT(*) FROM air.members m WHERE m.email NOT IN (SELECT email FROM lists.crm WHERE arm = 'no such arm')
-- suppressed

-- asked by: C
-- leak: 'test' has more members than the list of one, but in group black there is one
SELECT m.tier, COUNT(*) FROM air.members m WHERE m.email NOT IN (SELECT email FROM lists.thrice) AND m.tier = 'black' GROUP BY m.tier
-- suppressed

-- asked by: C
-- leak: named twice, a column is one of both sides
SELECT COUNT(*) FROM air.members m FULL JOIN cars.renters r USING (email)
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) FROM air.members NATURAL FULL JOIN cars.renters
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(email) FROM air.members m RIGHT JOIN cars.renters r USING (email)
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
-- leak: a literal is a list of one
SELECT COUNT(*) FROM air.members WHERE email NOT IN ('p5@x')
-- refused: COLUMN_USE

-- asked by: C
SELECT COUNT(*) FROM (SELECT email FROM air.members EXCEPT SELECT 'p5@x') e
-- refused: JOIN_KEY

-- asked by: C
-- leak: the second list is of one, within what the first leaves
SELECT COUNT(*) FROM (SELECT email FROM air.members EXCEPT SELECT email FROM hotel.guests EXCEPT SELECT email FROM lists.one) e
-- suppressed

-- asked by: C
SELECT COUNT(*) FROM air.members m WHERE m.email NOT IN (SELECT email FROM lists.one) AND m.email NOT IN (SELECT email FROM hotel.guests)
-- suppressed

-- asked by: C
-- leak: an OR makes absence a mark on every row
SELECT COUNT(*) FROM air.members m WHERE m.tier = 'gold' OR m.email NOT IN (SELECT email FROM lists.one)
-- refused: SUBQUERY

-- asked by: C
-- leak: two counts whose difference is one unmatched row
SELECT COUNT(*), COUNT(m.email) FROM air.members m FULL JOIN lists.allbut o ON m.email = o.email
-- suppressed

-- asked by: C
-- leak: nobody shares a key that is always NULL
SELECT COUNT(*) FROM lists.people p LEFT JOIN lists.one o ON p.device = o.email WHERE p.email NOT IN (SELECT email FROM lists.one) AND p.email NOT IN (SELECT email FROM air.members)
-- suppressed

-- asked by: C
-- leak: own rows are known, so what the groups do not add up to is the group that is not shown
SELECT m.tier, COUNT(*) FROM lists.crm c LEFT JOIN air.members m ON c.email = m.email GROUP BY m.tier
-- refused: ABSENCE

-- asked by: C
SELECT r.class, COUNT(*) FROM lists.crm c FULL JOIN cars.renters r ON c.email = r.email GROUP BY r.class
-- refused: ABSENCE
