# Tables of the caller's own, as selectors, weights and coefficients. Rules: H1, H2, H3, H12.

-- asked by: A
-- leak: own rows repeat a key, so that a plane counts as often as the caller likes
SELECT COUNT(*) FROM alliance.flights f JOIN registry.planes p ON f.tailnum = p.tailnum
-- refused: NOT_UNIQUE

-- asked by: A
-- leak: the same, grouped by a dimension of the other side
SELECT p.manufacturer, COUNT(*) FROM registry.planes p JOIN alliance.flights f USING (tailnum) GROUP BY p.manufacturer
-- refused: NOT_UNIQUE

-- asked by: C
-- leak: buckets that hold everybody but one; the difference of two sums is one person's value
SELECT b.tag, SUM(p.seats) FROM lists.buckets b JOIN registry.planes p ON b.tailnum = p.tailnum GROUP BY b.tag
-- refused: NOT_UNIQUE

-- asked by: C
-- leak: unique on more than the key, so that groups overlap
SELECT b.tag, SUM(p.seats) FROM (SELECT DISTINCT tailnum, tag FROM lists.buckets) b JOIN registry.planes p ON b.tailnum = p.tailnum GROUP BY b.tag
-- refused: NOT_UNIQUE

-- asked by: C
-- leak: own rows kept by a semi join are counted with their multiplicity
SELECT COUNT(*) FROM lists.buckets b WHERE b.tailnum IN (SELECT tailnum FROM registry.planes)
-- refused: NOT_UNIQUE

-- asked by: C
-- leak: a number of the caller's own tells, digit by digit, which of its rows matched
SELECT SUM(s.weight) FROM lists.suspects s JOIN registry.planes p ON s.tailnum = p.tailnum
-- refused: OWN_VALUES

-- asked by: C
-- leak: every aggregate of an own number does
SELECT AVG(s.weight), COUNT(DISTINCT s.tag), COUNT(s.weight) FROM lists.suspects s JOIN registry.planes p ON s.tailnum = p.tailnum
-- refused: OWN_VALUES, OWN_VALUES, OWN_VALUES

-- asked by: C
-- leak: an own number through a look-up
SELECT SUM(c.fleet) FROM alliance.flights f JOIN lists.carriers c ON f.carrier = c.carrier
-- refused: OWN_VALUES

-- asked by: C
-- leak: a look-up table that repeats its key weighs dimensions' rows
SELECT COUNT(*) FROM alliance.flights f JOIN (SELECT carrier FROM lists.carriers UNION ALL SELECT carrier FROM lists.carriers) c ON f.carrier = c.carrier
-- refused: NOT_UNIQUE

-- asked by: C
-- leak: a list of literals is no table whose column identifies anything
SELECT COUNT(*) FROM registry.planes WHERE tailnum IN (SELECT t FROM (VALUES ('N1'), ('N2')) v (t))
-- refused: JOIN_KEY

-- asked by: C
-- leak: an own column that nobody declared to hold tail numbers
SELECT COUNT(*) FROM lists.plain l JOIN registry.planes p ON l.tailnum = p.tailnum
-- refused: JOIN_KEY

-- asked by: C
-- leak: a literal smuggled into a list
SELECT COUNT(*) FROM (SELECT DISTINCT CASE WHEN tag = 'x' THEN tailnum ELSE 'N1' END AS tailnum FROM lists.suspects) s JOIN registry.planes p ON s.tailnum = p.tailnum
-- refused: JOIN_KEY

-- asked by: C
-- leak: own rows multiplied by a join of own tables
SELECT COUNT(*) FROM (SELECT s.tailnum FROM lists.suspects s JOIN lists.buckets b ON s.tailnum = b.tailnum) o JOIN registry.planes p ON o.tailnum = p.tailnum
-- refused: NOT_UNIQUE

-- asked by: C
-- leak: the key of the own side is the individual, by whatever name
SELECT s.tailnum, COUNT(*) FROM lists.suspects s JOIN registry.planes p ON s.tailnum = p.tailnum GROUP BY s.tailnum
-- refused: ROW_OUTPUT

-- asked by: C
-- leak: an own filter above the join compares a join column with a literal
SELECT COUNT(*) FROM lists.suspects s JOIN registry.planes p ON s.tailnum = p.tailnum WHERE s.tailnum <> 'N1'
-- refused: COLUMN_USE

-- asked by: C
-- leak: a column that is NULL throughout is unique, and multiplies the list where NULL equals NULL
SELECT s.n, SUM(c.spend) FROM (SELECT a.email, b.n FROM lists.people a LEFT JOIN lists.people b ON (a.device IS NOT DISTINCT FROM b.device) AND (b.n <> 1 OR a.email <> 'p5@x')) s
JOIN acme.customers c ON s.email = c.email GROUP BY s.n
-- refused: NOT_UNIQUE

-- asked by: C
SELECT s.n, COUNT(*) FROM (SELECT a.email, b.n FROM lists.people a JOIN lists.people b ON a.device IS NOT DISTINCT FROM b.device) s
JOIN acme.customers c ON s.email = c.email GROUP BY s.n
-- refused: NOT_UNIQUE

-- asked by: C
-- leak: a look-up that NULL would pass, answered as if it could not
SELECT COUNT(*) FROM alliance.flights f JOIN lists.carriers c ON f.carrier IS NOT DISTINCT FROM c.carrier
-- refused: JOIN_KEY

-- asked by: C
SELECT COUNT(*) FROM alliance.flights f WHERE EXISTS (SELECT 1 FROM lists.suspects s WHERE s.tailnum IS NOT DISTINCT FROM f.tailnum)
-- refused: JOIN_KEY

-- asked by: C
-- leak: the list leads from one table to another by a column that it repeats
SELECT t.plan, COUNT(*) FROM acme.customers c JOIN lists.people m ON c.email = m.email JOIN telco.lines t ON m.phone = t.phone GROUP BY t.plan
-- refused: JOIN_KEY

-- asked by: C
-- leak: the same by a semi join
SELECT COUNT(*) FROM acme.customers c JOIN lists.people m ON c.email = m.email WHERE m.phone IN (SELECT phone FROM telco.lines)
-- refused: JOIN_KEY

-- asked by: C
SELECT COUNT(*) FROM lists.people m WHERE m.email IN (SELECT email FROM acme.customers) AND m.phone IN (SELECT phone FROM telco.lines)
-- refused: JOIN_KEY
