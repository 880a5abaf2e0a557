# Rows, hidden columns, and columns used for what they are not for. Rules: H9, H14.

-- asked by: C
SELECT * FROM registry.planes
-- refused: ROW_OUTPUT

-- asked by: C
SELECT DISTINCT tailnum FROM registry.planes
-- refused: ROW_OUTPUT

-- asked by: C
SELECT manufacturer, seats FROM registry.planes WHERE manufacturer = 'ODD'
-- refused: ROW_OUTPUT

-- asked by: C
SELECT p.model FROM registry.planes p JOIN lists.suspects s ON p.tailnum = s.tailnum
-- refused: ROW_OUTPUT

-- asked by: C
-- leak: hidden, told as unknown
SELECT COUNT(owner) FROM registry.planes
-- refused: UNKNOWN_COLUMN

-- asked by: C
SELECT COUNT(ghost) FROM registry.planes
-- refused: UNKNOWN_COLUMN

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE owner LIKE 'owner of N1%'
-- refused: UNKNOWN_COLUMN

-- asked by: B
SELECT secret, COUNT(*) FROM alliance.flights GROUP BY secret
-- refused: UNKNOWN_COLUMN

-- asked by: C
-- leak: the hidden unit that the compiler itself adds
SELECT COUNT(*) FROM registry.planes GROUP BY __unit_0
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
-- leak: an alias that would capture it
SELECT COUNT(*) FROM (SELECT manufacturer AS __unit_0 FROM registry.planes) t
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE tailnum = 'N1'
-- refused: COLUMN_USE

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE tailnum IN ('N1', 'N2', 'N3', 'N4')
-- refused: COLUMN_USE

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE tailnum BETWEEN 'N1' AND 'N2' OR manufacturer = 'ODD'
-- refused: COLUMN_USE

-- asked by: C
-- leak: the same through functions, casts and CASE
SELECT COUNT(*) FROM registry.planes WHERE lower(tailnum) = 'n1' AND CAST(tailnum AS VARCHAR) LIKE '%1' AND CASE tailnum WHEN 'N1' THEN true ELSE false END
-- refused: COLUMN_USE, COLUMN_USE, COLUMN_USE

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE NOT (tailnum IS NOT NULL)
-- refused: COLUMN_USE

-- asked by: C
-- leak: an identifier within a group key
SELECT manufacturer || tailnum AS k, COUNT(*) FROM registry.planes GROUP BY manufacturer || tailnum
-- refused: COLUMN_USE

-- asked by: C
SELECT substr(tailnum, 2) AS k, COUNT(*) FROM registry.planes GROUP BY 1
-- refused: COLUMN_USE

-- asked by: C
SELECT t.k, COUNT(*) FROM (SELECT coalesce(tailnum, 'x') AS k FROM registry.planes) t GROUP BY t.k
-- refused: COLUMN_USE

-- asked by: C
-- leak: renamed, it is the same column
WITH a (x) AS (SELECT tailnum FROM registry.planes), b AS (SELECT x AS y FROM a) SELECT COUNT(*) FROM b WHERE y = 'N1'
-- refused: COLUMN_USE

-- asked by: C
-- leak: a measure as a group key or a filter singles out rows
SELECT seats, COUNT(*) FROM registry.planes GROUP BY seats
-- refused: COLUMN_USE

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE seats = 53
-- refused: COLUMN_USE

-- asked by: C
SELECT SUM(year) FROM registry.planes
-- refused: COLUMN_USE

-- asked by: C
SELECT COUNT(DISTINCT seats) FROM registry.planes
-- refused: COLUMN_USE

-- asked by: C
SELECT COUNT(*) FROM registry.planes a JOIN acme.customers b ON a.model = b.email
-- refused: JOIN_KEY

-- asked by: C
-- leak: two identities of one type
SELECT COUNT(*) FROM registry.planes a JOIN acme.customers b ON a.tailnum = b.email
-- refused: JOIN_KEY

-- asked by: C
SELECT COUNT(*) FROM registry.planes a JOIN alliance.flights b ON lower(a.tailnum) = lower(b.tailnum)
-- refused: COLUMN_USE, COLUMN_USE

-- asked by: C
SELECT COUNT(*) FROM registry.planes a JOIN alliance.flights b ON a.tailnum = b.tailnum OR a.manufacturer = b.carrier
-- refused: JOIN_KEY

-- asked by: C
SELECT COUNT(*) FROM registry.planes a JOIN alliance.flights b ON a.tailnum > b.tailnum
-- refused: JOIN_KEY

-- asked by: C
SELECT COUNT(*) FROM registry.planes CROSS JOIN alliance.flights
-- refused: JOIN_KEY

-- asked by: C
SELECT COUNT(*) FROM registry.planes, lists.suspects
-- refused: JOIN_KEY

-- asked by: C
SELECT COUNT(*) FROM registry.planes p JOIN lists.suspects s ON p.manufacturer = s.tag
-- refused: NOT_UNIQUE

-- asked by: C
-- leak: who is beyond the bounds
SELECT COUNT(*) FROM web.stays WHERE cost > 100.5 OR cost < 0
-- suppressed
