# Words of another dialect that mean something else here, or nothing.

-- asked by: C
-- leak: a week that begins on another day
SELECT DATE_TRUNC(seen, WEEK) AS w, COUNT(*) FROM clinic.visits GROUP BY 1
-- refused: INVALID_QUERY

-- asked by: C
SELECT SAFE.UPPER(model) AS m, COUNT(*) FROM registry.planes GROUP BY 1
-- refused: INVALID_QUERY

-- asked by: C
SELECT APPROX_COUNT_DISTINCT(tailnum), ANY_VALUE(model), LOGICAL_OR(year > 2000) FROM registry.planes
-- refused: INVALID_QUERY, INVALID_QUERY

-- asked by: C
-- leak: a condition on a join column, by another name
SELECT COUNTIF(tailnum = 'N1') FROM alliance.flights
-- refused: COLUMN_USE

-- asked by: C
SELECT IF(tailnum = 'N1', 1, 0) AS one, COUNT(*) FROM registry.planes GROUP BY 1
-- refused: COLUMN_USE

-- asked by: C
SELECT SUM(IF(manufacturer = 'ODD', seats, 0)) FROM registry.planes
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
-- leak: a divisor that is zero for one row gives NULL for it, and no failure
SELECT COUNT(*) FROM registry.planes WHERE SAFE_DIVIDE(1, year - 1903) IS NULL AND year IS NOT NULL
-- suppressed

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE MOD(year, year - 1903) = 0
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT RAND() < 0.5 AS r, COUNT(*) FROM registry.planes GROUP BY 1
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
SELECT REGEXP_CONTAINS(model, '(a+)+$') AS r, COUNT(*) FROM registry.planes GROUP BY 1
-- refused: INVALID_QUERY

-- asked by: C
-- leak: a difference of differences of differences doubles with each
SELECT DATE_DIFF(DATE_DIFF(DATE_DIFF(day, day, MONTH), day, MONTH), day, MONTH) AS d, COUNT(*) FROM clinic.visits GROUP BY 1
-- refused: INVALID_QUERY

-- asked by: C
-- leak: texts in double quotes are names
SELECT COUNT(*) FROM registry.planes WHERE manufacturer = "BOEING"
-- refused: UNKNOWN_COLUMN

-- asked by: C
SELECT COUNT(*) FROM Air.Members
-- refused: UNKNOWN_TABLE

-- asked by: C
SELECT COUNT(Tier) FROM air.members
-- refused: UNKNOWN_COLUMN

-- asked by: C
SELECT * EXCEPT (tier) FROM air.members
-- refused: ROW_OUTPUT

-- asked by: C
SELECT * REPLACE (1 AS points) FROM air.members
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) FROM air.members FOR SYSTEM_TIME AS OF '2020-01-01'
-- refused: SYNTAX

-- asked by: C
SELECT AS STRUCT tier FROM air.members
-- refused: SYNTAX

-- asked by: C
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS (epsilon = 1) COUNT(*) FROM air.members
-- refused: SYNTAX

-- asked by: C
SELECT ARRAY_AGG(tier) FROM air.members
-- refused: AGGREGATE_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM air.members WHERE tier IN UNNEST(['black'])
-- refused: CLAUSE_NOT_SUPPORTED
