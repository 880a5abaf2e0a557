# Subqueries, windows, order and limit in places where rules might not look. Rules: H16.

-- asked by: C
SELECT manufacturer, COUNT(*) FROM registry.planes GROUP BY manufacturer ORDER BY (SELECT MAX(seats) FROM registry.planes)
-- refused: AGGREGATE_NOT_ALLOWED

-- asked by: C
SELECT manufacturer, COUNT(*) FROM registry.planes GROUP BY manufacturer LIMIT (SELECT COUNT(*) FROM registry.planes WHERE tailnum = 'N1')
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT manufacturer, COUNT(*) FROM registry.planes GROUP BY manufacturer HAVING COUNT(*) > (SELECT seats FROM registry.planes)
-- refused: SUBQUERY

-- asked by: C
SELECT CASE WHEN EXISTS (SELECT 1 FROM registry.planes WHERE model = 'ODD') THEN 1 ELSE 0 END
-- refused: SUBQUERY

-- asked by: C
SELECT v FROM (VALUES ((SELECT seats FROM registry.planes))) t (v)
-- refused: SUBQUERY

-- asked by: C
SELECT s.tailnum, (SELECT seats FROM registry.planes p WHERE p.tailnum = s.tailnum) FROM lists.suspects s
-- refused: INVALID_QUERY

-- asked by: C
SELECT tailnum FROM lists.suspects WHERE tailnum IN (SELECT tailnum FROM registry.planes)
-- refused: ROW_OUTPUT

-- asked by: C
SELECT s.tailnum, (SELECT COUNT(*) FROM registry.planes p WHERE p.model = s.tag) FROM lists.suspects s
-- refused: SUBQUERY

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE EXISTS (SELECT 1 FROM lists.suspects)
-- refused: JOIN_KEY

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE seats > (SELECT AVG(weight) FROM lists.suspects)
-- refused: COLUMN_USE, SUBQUERY

-- asked by: C
SELECT COUNT(*) FROM (SELECT * FROM registry.planes LIMIT 5) t
-- refused: BELOW_RELEASE

-- asked by: C
SELECT SUM(seats) FROM (SELECT seats FROM registry.planes ORDER BY seats DESC LIMIT 10) t
-- refused: BELOW_RELEASE

-- asked by: C
SELECT COUNT(*) FROM (SELECT ROW_NUMBER() OVER (ORDER BY seats) AS n FROM registry.planes) t WHERE n = 1
-- refused: BELOW_RELEASE

-- asked by: C
SELECT COUNT(*) FROM registry.planes p JOIN (SELECT manufacturer, COUNT(*) AS n FROM registry.planes GROUP BY manufacturer) g ON p.manufacturer = g.manufacturer
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
-- leak: a WITH query that bears a table's name is not that table
WITH planes AS (SELECT tailnum, seats FROM registry.planes) SELECT SUM(seats), tailnum FROM planes GROUP BY tailnum
-- refused: ROW_OUTPUT

-- asked by: C
WITH `lists.suspects` AS (SELECT tailnum FROM registry.planes) SELECT tailnum FROM `lists.suspects`
-- refused: ROW_OUTPUT
