# Clauses that the planner would drop, and statements that are no query. Rules: H15.

-- asked by: C
SELECT manufacturer, COUNT(*) FROM registry.planes GROUP BY manufacturer WITH ROLLUP
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT manufacturer, COUNT(*) FROM registry.planes GROUP BY manufacturer WITH TOTALS
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) FROM registry.planes TABLESAMPLE BERNOULLI (1)
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) FROM registry.planes SAMPLE 1 / 10
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) FROM registry.planes FOR UPDATE
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WITH (NOLOCK)
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) FROM registry.planes PARTITION (p1)
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) FROM registry.planes PREWHERE model = 'ODD'
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT DISTINCT ON (manufacturer) manufacturer, model FROM registry.planes
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) FROM registry.planes FETCH FIRST 1 ROWS ONLY
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT TOP 1 COUNT(*) FROM registry.planes
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) INTO x FROM registry.planes
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < (SELECT COUNT(*) FROM registry.planes)) SELECT COUNT(*) FROM r
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) FROM registry.planes p, LATERAL (SELECT p.seats) l
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) FROM registry.planes p JOIN unnest(ARRAY['N1']) AS u (t) ON p.tailnum = u.t
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT * FROM generate_series(1, 1000000)
-- refused: CLAUSE_NOT_SUPPORTED, UNKNOWN_TABLE

-- asked by: C
SELECT * FROM read_parquet('/etc/passwd')
-- refused: CLAUSE_NOT_SUPPORTED, UNKNOWN_TABLE

-- asked by: C
SELECT * FROM information_schema.tables
-- refused: UNKNOWN_TABLE

-- asked by: C
SELECT * FROM '/etc/passwd'
-- refused: UNKNOWN_TABLE

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE manufacturer = $1
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE manufacturer = ?
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT @@version
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) FROM registry.planes |> WHERE model = 'ODD'
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
FROM registry.planes
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) FROM registry.planes LIMIT 1 BY manufacturer
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT manufacturer, COUNT(*) FROM registry.planes GROUP BY manufacturer ORDER BY ALL
-- refused: UNKNOWN_COLUMN

-- asked by: C
EXPLAIN ANALYZE SELECT COUNT(*) FROM registry.planes
-- refused: STATEMENT_NOT_ALLOWED

-- asked by: C
DROP TABLE registry.planes
-- refused: STATEMENT_NOT_ALLOWED

-- asked by: C
COPY registry.planes TO '/tmp/planes.csv'
-- refused: STATEMENT_NOT_ALLOWED

-- asked by: C
SET datafusion.execution.batch_size = 1
-- refused: STATEMENT_NOT_ALLOWED

-- asked by: C
INSERT INTO registry.planes SELECT * FROM lists.suspects
-- refused: STATEMENT_NOT_ALLOWED

-- asked by: C
SELECT 1; SELECT COUNT(*) FROM registry.planes
-- refused: STATEMENT_NOT_ALLOWED

-- asked by: C
SELECT count(SELECT 1) FROM registry.planes
-- refused: SYNTAX

-- asked by: C
-- leak: read by the planner for aggregates only
SELECT COUNT(*) FROM registry.planes WHERE upper(model) FILTER (WHERE model = 'ODD') = 'X'
-- refused: CLAUSE_NOT_SUPPORTED
