# Expressions that would fail on a row, or that are no function of a dimension. Rules: H14, H18.

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE 1 / (year - 1903) > 0
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE year % (year - 1903) = 0
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE sqrt(year - 1904) > 0
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE CAST(model AS INT) > 0 AND repeat(model, 100000000) = ''
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE random() < 0.5
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE model ~ '(a+)+$'
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE model LIKE manufacturer
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE substr(model, year) = ''
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE year = 'not a year'
-- refused: INVALID_LITERAL

-- asked by: C
-- leak: the policy lists three functions
SELECT COUNT(*) FROM acme.customers WHERE substr(city, 1, 1) = 'R'
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE nosuchfunction(model)
-- refused: INVALID_QUERY

-- asked by: C
-- leak: a division that fails on one row of the list, if the engine gets to it only after the join
SELECT COUNT(*) FROM (SELECT tailnum, 1 / (weight - 17592186044417) AS x FROM lists.suspects) s JOIN registry.planes p ON s.tailnum = p.tailnum WHERE x IS NULL
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE tailnum IN (SELECT tailnum FROM lists.suspects WHERE to_timestamp(tag) > now())
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
-- leak: another list each time it is read
SELECT COUNT(*) FROM registry.planes WHERE tailnum IN (SELECT tailnum FROM lists.suspects LIMIT 5)
-- refused: BELOW_RELEASE

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE tailnum IN (SELECT tailnum FROM (SELECT tailnum, ROW_NUMBER() OVER () AS n FROM lists.suspects) t WHERE n < 6)
-- refused: BELOW_RELEASE

-- asked by: C
SELECT a.n + random() FROM (SELECT COUNT(*) AS n FROM registry.planes) a
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes p JOIN (SELECT tailnum, array_agg(tag) AS t FROM lists.buckets GROUP BY tailnum) s ON s.tailnum = p.tailnum
-- refused: BELOW_RELEASE

-- asked by: C
-- leak: nanoseconds have no year 9999; a failure tells that somebody's date is there
SELECT date_trunc('year', seen) AS y, COUNT(*) AS n FROM clinic.visits WHERE note <> 'fine' GROUP BY 1
-- suppressed

-- asked by: C
-- leak: the engine looks at the word when it has a row
SELECT COUNT(*) FROM clinic.visits WHERE note <> 'fine' AND date_part('nonsense', day) = 1
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM clinic.visits WHERE date_trunc('century', seen) > seen
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM clinic.visits WHERE date_part('hour', day) = 1
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
-- leak: a text that doubles in each step, for those who have one
WITH a AS (SELECT note || note AS x FROM clinic.visits), b AS (SELECT x || x AS x FROM a), c AS (SELECT x || x AS x FROM b),
     d AS (SELECT x || x AS x FROM c), e AS (SELECT x || x AS x FROM d), f AS (SELECT x || x AS x FROM e),
     g AS (SELECT x || x AS x FROM f), h AS (SELECT x || x AS x FROM g), i AS (SELECT x || x AS x FROM h)
SELECT character_length(x) AS n, COUNT(*) FROM i GROUP BY 1
-- answered:
| 2048 | 80 |

-- asked by: C
SELECT COUNT(*) FROM clinic.visits WHERE concat(note, note, note, note, note, note, note, note, note, note, note, note, note, note, note, note, note) = ''
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
-- leak: a product of whole numbers that no decimal holds
SELECT COUNT(*) FROM clinic.visits WHERE doses * doses > 0
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
-- leak: a date that no calendar has cannot be printed
SELECT CAST(day AS VARCHAR) AS d, COUNT(*) FROM clinic.visits WHERE note <> 'fine' GROUP BY 1
-- suppressed

-- asked by: C
SELECT COUNT(*) FROM clinic.visits WHERE CAST(CAST(number AS DATE) AS VARCHAR) = ''
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
-- leak: nor has it moments of all seconds
SELECT CAST(seen AS DATE) AS d, COUNT(*) FROM clinic.visits WHERE note <> 'fine' GROUP BY 1
-- suppressed
