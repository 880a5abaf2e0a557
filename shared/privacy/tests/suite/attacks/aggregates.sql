# Aggregates that reveal, or that carry one individual's number. Rules: H6, H7, H8, H9, H10, H13, H20.

-- asked by: C
SELECT MIN(seats), MAX(seats), MEDIAN(seats) FROM registry.planes
-- refused: AGGREGATE_NOT_ALLOWED, AGGREGATE_NOT_ALLOWED, AGGREGATE_NOT_ALLOWED

-- asked by: C
SELECT manufacturer, MAX(model) FROM registry.planes GROUP BY manufacturer
-- refused: AGGREGATE_NOT_ALLOWED

-- asked by: C
SELECT SUM(DISTINCT seats) FROM registry.planes
-- refused: AGGREGATE_NOT_ALLOWED

-- asked by: C
SELECT string_agg(model, ',') FROM registry.planes
-- refused: AGGREGATE_NOT_ALLOWED

-- asked by: C
SELECT array_agg(seats) FROM registry.planes
-- refused: AGGREGATE_NOT_ALLOWED

-- asked by: C
SELECT first_value(seats ORDER BY seats) FROM registry.planes
-- refused: AGGREGATE_NOT_ALLOWED

-- asked by: C
SELECT approx_distinct(tailnum), bit_xor(seats), corr(seats, seats) FROM registry.planes
-- refused: AGGREGATE_NOT_ALLOWED, AGGREGATE_NOT_ALLOWED, AGGREGATE_NOT_ALLOWED

-- asked by: C
-- leak: a term that only one row makes large
SELECT SUM(CASE WHEN model = 'ODD' THEN seats ELSE 0 END) FROM registry.planes
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT SUM(seats * seats) FROM registry.planes
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT SUM(x) FROM (SELECT seats * 1000000 AS x FROM registry.planes) t
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT SUM(1) FROM registry.planes
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
-- leak: the policy has no FILTER
SELECT COUNT(*) FILTER (WHERE model = 'ODD') FROM registry.planes
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
-- leak: a number of flights that one plane alone has
SELECT n, COUNT(*) FROM (SELECT tailnum, COUNT(*) AS n FROM alliance.flights WHERE origin = 'ODD' GROUP BY tailnum) t GROUP BY n
-- suppressed

-- asked by: C
SELECT tailnum, SUM(distance) FROM alliance.flights GROUP BY tailnum
-- refused: ROW_OUTPUT

-- asked by: C
-- leak: a value as often as it differs
SELECT SUM(distance) FROM (SELECT DISTINCT tailnum, distance FROM alliance.flights) t
-- refused: COLUMN_USE

-- asked by: C
SELECT COUNT(*), GROUPING(manufacturer) FROM registry.planes GROUP BY ROLLUP (manufacturer)
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) FROM registry.planes GROUP BY GROUPING SETS ((manufacturer), ())
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
-- leak: two units only
SELECT SUM(seats) FROM registry.planes WHERE manufacturer = 'CESSNA'
-- suppressed

-- asked by: C
SELECT year, manufacturer, COUNT(*) FROM registry.planes WHERE manufacturer = 'ODD' GROUP BY year, manufacturer
-- suppressed

-- asked by: C
-- leak: a number that is zero for everybody but one rests on one
SELECT SUM(clicks) FROM acme.customers
-- suppressed

-- asked by: C
SELECT AVG(clicks), STDDEV(clicks) FROM acme.customers WHERE city <> 'Lima'
-- suppressed

-- asked by: C
-- leak: one customer has nearly all of it
SELECT SUM(fee) FROM acme.customers
-- suppressed

-- asked by: C
SELECT VAR_POP(fee) FROM acme.customers
-- suppressed

-- asked by: C
-- leak: five planes, but nearly all rows are of one
SELECT carrier, COUNT(*), AVG(dep_delay) FROM alliance.flights WHERE carrier = 'YV' GROUP BY carrier
-- suppressed

-- asked by: C
-- leak: dest asks for six, and two planes fly there
SELECT dest, COUNT(*) FROM alliance.flights WHERE dest = 'HNL' GROUP BY dest
-- suppressed

-- asked by: C
-- leak: the column's threshold holds where it is filtered by, too
SELECT COUNT(*) FROM alliance.flights WHERE dest = 'HNL' OR carrier = 'HA'
-- suppressed

-- asked by: B
-- leak: two counts of one row that differ by a unit
SELECT COUNT(*), COUNT(*) FILTER (WHERE carrier <> 'ZZ') FROM alliance.flights
-- suppressed

-- asked by: B
SELECT SUM(distance), SUM(distance) FILTER (WHERE month <> 13) FROM alliance.flights
-- suppressed

-- asked by: C
-- leak: two customers live in Lima
SELECT COUNT(DISTINCT email), COUNT(DISTINCT city) FROM acme.customers WHERE city = 'Lima'
-- suppressed

-- asked by: C
-- leak: households with few members of the list
SELECT s.product, COUNT(*) FROM shop.sales s JOIN lists.arms a ON s.email = a.email WHERE a.arm = 'c' GROUP BY s.product
-- suppressed

-- asked by: C
-- leak: the mean of one and the sum of all tell how many have it, though counts of both would be compared
SELECT COUNT(*) AS n, AVG(distance) FILTER (WHERE carrier <> 'HA') AS d FROM alliance.flights WHERE carrier IN ('HA', 'YV')
-- suppressed

-- asked by: C
-- leak: the sum by the mean is the count that is rounded
SELECT COUNT(*) AS n, SUM(points) AS s, AVG(points) AS a FROM shop.members
-- answered:
| 40 | 946 | 23.65 |

-- asked by: C
-- leak: the quotient of the two is that of the count and one less
SELECT VAR_POP(points), VAR_SAMP(points) FROM shop.members
-- refused: AGGREGATE_NOT_ALLOWED

-- asked by: C
-- leak: what is distinguished by a column with a threshold of its own keeps it
SELECT COUNT(*) FROM (SELECT DISTINCT tailnum, dest FROM alliance.flights WHERE carrier = 'YV') f
-- suppressed
