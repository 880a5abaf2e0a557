# Lists of own rows, without leave or with more than the key. Rules: H23.

-- asked by: C
-- leak: the airline gave no leave
SELECT email FROM lists.crm WHERE email IN (SELECT email FROM air.members)
-- refused: ROW_OUTPUT

-- asked by: C
-- leak: one of the two tables gave none
SELECT email FROM lists.crm WHERE email IN (SELECT email FROM cars.renters) AND email IN (SELECT email FROM air.members)
-- refused: ROW_OUTPUT

-- asked by: C
SELECT email FROM lists.crm WHERE email IN (SELECT r.email FROM cars.renters r JOIN air.members m ON r.email = m.email)
-- refused: ROW_OUTPUT

-- asked by: C
-- leak: three renters are on the list, and four is the least
SELECT email FROM lists.crm WHERE email IN (SELECT email FROM lists.thrice WHERE email IN ('p21@x', 'p22@x', 'p23@x')) AND email IN (SELECT email FROM cars.renters)
-- suppressed

-- asked by: C
SELECT email FROM lists.one WHERE email IN (SELECT email FROM cars.renters)
-- suppressed

-- asked by: C
-- leak: a condition on an attribute publishes it
SELECT email FROM lists.crm WHERE email IN (SELECT email FROM cars.renters WHERE class = 'small')
-- refused: ROW_OUTPUT

-- asked by: C
SELECT email FROM lists.crm c WHERE EXISTS (SELECT 1 FROM cars.renters r WHERE r.email = c.email AND r.class = c.arm)
-- refused: ROW_OUTPUT

-- asked by: C
-- leak: so does a column
SELECT c.email, r.class FROM lists.crm c JOIN cars.renters r ON r.email = c.email
-- refused: ROW_OUTPUT

-- asked by: C
-- leak: how often somebody is there
SELECT c.email FROM lists.crm c JOIN cars.renters r ON r.email = c.email
-- refused: ROW_OUTPUT

-- asked by: C
-- leak: those who are not there
SELECT email FROM lists.crm WHERE email NOT IN (SELECT email FROM cars.renters)
-- refused: ROW_OUTPUT

-- asked by: C
SELECT email FROM lists.crm WHERE email IN (SELECT email FROM cars.renters) AND email NOT IN (SELECT email FROM lists.one)
-- refused: ROW_OUTPUT

-- asked by: C
-- leak: the other side's rows
SELECT email FROM cars.renters WHERE email IN (SELECT email FROM lists.crm)
-- refused: ROW_OUTPUT

-- asked by: C
SELECT email FROM cars.renters INTERSECT SELECT email FROM lists.crm
-- refused: ROW_OUTPUT

-- asked by: C
-- leak: a mark on every row, there or not
SELECT email, email IN (SELECT email FROM cars.renters) AS there FROM lists.crm
-- refused: SUBQUERY

-- asked by: C
-- leak: the key within an expression
SELECT lower(email) FROM lists.crm WHERE email IN (SELECT email FROM cars.renters)
-- refused: COLUMN_USE

-- asked by: C
-- leak: rows that are no stored ones could name anybody
SELECT email FROM (SELECT 'p30@x' AS email) l WHERE email IN (SELECT email FROM cars.renters)
-- refused: JOIN_KEY

-- asked by: C
-- leak: a list that repeats a key counts as many as it likes
SELECT email FROM lists.thrice WHERE email IN (SELECT email FROM cars.renters)
-- refused: NOT_UNIQUE
