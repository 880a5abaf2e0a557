# Grouped aggregates over one table and over two. Rules: H12, H27.

-- asked by: B
SELECT p.manufacturer, COUNT(*) AS flights, COUNT(DISTINCT f.tailnum) AS planes, AVG(f.dep_delay) AS mean_delay
FROM alliance.flights f JOIN registry.planes p ON f.tailnum = p.tailnum
GROUP BY p.manufacturer ORDER BY mean_delay DESC LIMIT 20
-- equals in order:
SELECT p.manufacturer, COUNT(*), COUNT(DISTINCT f.tailnum),
  AVG(CASE WHEN f.dep_delay - f.dep_delay = 0 THEN f.dep_delay END) AS d
FROM alliance.flights f JOIN registry.planes p ON f.tailnum = p.tailnum
GROUP BY p.manufacturer HAVING COUNT(DISTINCT f.tailnum) >= 3 ORDER BY d DESC

-- asked by: A
SELECT p.year, COUNT(*) AS planes FROM registry.planes p JOIN (SELECT DISTINCT tailnum FROM alliance.flights) f ON f.tailnum = p.tailnum
GROUP BY p.year ORDER BY p.year
-- equals in order:
SELECT year, COUNT(*) FROM registry.planes WHERE tailnum IN (SELECT tailnum FROM alliance.flights)
GROUP BY year HAVING COUNT(*) >= 4 ORDER BY year

-- asked by: C
SELECT p.manufacturer, f.origin, COUNT(*) AS n, SUM(f.distance) AS miles
FROM alliance.flights f JOIN registry.planes p USING (tailnum)
WHERE p.engine = 'Turbo-fan' AND f.month BETWEEN 1 AND 4 GROUP BY p.manufacturer, f.origin ORDER BY 1, 2
-- equals in order:
SELECT manufacturer, origin, n, miles FROM (
  SELECT manufacturer, origin, SUM(n) AS n, SUM(d) AS miles, COUNT(*) AS u, MAX(n) AS tn, MAX(d) AS td FROM (
    SELECT p.manufacturer, f.origin, f.tailnum, COUNT(*) AS n, SUM(f.distance) AS d
    FROM alliance.flights f JOIN registry.planes p ON f.tailnum = p.tailnum
    WHERE p.engine = 'Turbo-fan' AND f.month BETWEEN 1 AND 4 GROUP BY 1, 2, 3) x GROUP BY 1, 2) y
WHERE u >= 4 AND tn * 2 <= n AND td * 2 <= miles ORDER BY 1, 2

-- asked by: C
SELECT carrier, COUNT(*) AS n, COUNT(distance) AS d, SUM(distance) AS s, AVG(distance) AS a FROM alliance.flights WHERE origin IN ('EWR', 'LGA') GROUP BY carrier
-- equals:
SELECT carrier, COUNT(*), COUNT(distance), SUM(distance), AVG(distance) FROM alliance.flights
WHERE origin IN ('EWR', 'LGA') AND tailnum IS NOT NULL GROUP BY carrier

-- asked by: C
SELECT model, STDDEV(seats) AS s, STDDEV_POP(seats) AS sp, VAR_SAMP(seats) AS v, VAR_POP(seats) AS vp FROM registry.planes GROUP BY model
-- equals:
SELECT model, STDDEV(seats), STDDEV_POP(seats), VAR_SAMP(seats), VAR_POP(seats) FROM registry.planes GROUP BY model HAVING COUNT(*) >= 4

-- asked by: C
SELECT month, AVG(arr_delay) AS d, STDDEV(arr_delay) AS s FROM alliance.flights WHERE month <= 6 GROUP BY month
-- equals:
SELECT month, AVG(x), STDDEV(x) FROM (SELECT month, CASE WHEN arr_delay - arr_delay = 0 THEN arr_delay END AS x
  FROM alliance.flights WHERE tailnum IS NOT NULL AND month <= 6) t GROUP BY month

-- asked by: C
SELECT DISTINCT manufacturer FROM registry.planes
-- answered:
| AIRBUS |
| BOEING |
| EMBRAER |

-- asked by: C
SELECT COUNT(*) FROM registry.planes
-- answered:
| 45 |

-- asked by: C
SELECT manufacturer AS maker, COUNT(*) AS n FROM registry.planes GROUP BY ALL HAVING COUNT(*) < 20 ORDER BY n DESC, maker
-- answered:
| AIRBUS | 14 |
| EMBRAER | 6 |

-- asked by: C
SELECT CASE WHEN year < 2002 THEN 'old' ELSE 'new' END AS age, COUNT(*) AS n FROM registry.planes WHERE year IS NOT NULL GROUP BY 1 ORDER BY 1
-- equals in order:
SELECT CASE WHEN year < 2002 THEN 'old' ELSE 'new' END AS age, COUNT(*) FROM registry.planes WHERE year IS NOT NULL GROUP BY 1 ORDER BY 1

-- asked by: C
SELECT upper(city) AS c, coalesce(age, 0) AS a, COUNT(*) AS n, SUM(spend) AS s FROM acme.customers GROUP BY upper(city), coalesce(age, 0)
-- equals:
SELECT upper(city), coalesce(age, 0), COUNT(*), SUM(spend) FROM acme.customers GROUP BY 1, 2
HAVING COUNT(*) >= 3 AND MAX(spend) * 2 <= SUM(spend)

-- asked by: C
SELECT city, AVG(age) AS a, SUM(age) AS s, AVG(spend) AS p FROM acme.customers WHERE age IS NOT NULL GROUP BY city
-- equals:
SELECT city, AVG(age), SUM(age), ROUND(AVG(CAST(spend AS DOUBLE)), 6) FROM acme.customers WHERE age IS NOT NULL GROUP BY city
HAVING COUNT(*) >= 3 AND MAX(age) * 2 <= SUM(age) AND MAX(spend) * 2 <= SUM(spend)

-- asked by: C
SELECT COUNT(DISTINCT city) AS cities FROM acme.customers
-- answered:
| 3 |

-- asked by: C
SELECT city, COUNT(DISTINCT phone) AS phones, COUNT(DISTINCT email) AS emails FROM acme.customers GROUP BY city
-- equals:
SELECT city, COUNT(DISTINCT phone), COUNT(DISTINCT email) FROM acme.customers GROUP BY city HAVING COUNT(*) >= 3

-- asked by: B
SELECT origin, COUNT(*) AS n, COUNT(*) FILTER (WHERE month > 3) AS late FROM alliance.flights WHERE month < 7 AND carrier IN ('UA', 'AA', 'DL') GROUP BY origin
-- equals:
SELECT origin, COUNT(*), COUNT(*) FILTER (WHERE month > 3) FROM alliance.flights f
WHERE month < 7 AND carrier IN ('UA', 'AA', 'DL') AND tailnum IS NOT NULL GROUP BY origin
HAVING COUNT(DISTINCT tailnum) - COUNT(DISTINCT tailnum) FILTER (WHERE month > 3) IN (0, 3, 4, 5, 6, 7, 8, 9)

-- asked by: C
SELECT COUNT(*) AS n FROM alliance.flights WHERE distance > 1000
-- equals:
SELECT COUNT(*) FROM alliance.flights WHERE distance > 1000 AND tailnum IS NOT NULL

-- asked by: B
SELECT manufacturer, MAX(seats), MEDIAN(seats), COUNT(DISTINCT owner) FROM registry.planes GROUP BY manufacturer
-- equals:
SELECT manufacturer, MAX(seats), MEDIAN(seats), COUNT(DISTINCT owner) FROM registry.planes GROUP BY manufacturer

-- asked by: A
SELECT tailnum, secret, ROW_NUMBER() OVER (PARTITION BY tailnum ORDER BY distance, secret) AS n FROM alliance.flights ORDER BY distance DESC, tailnum, n LIMIT 3
-- equals in order:
SELECT tailnum, secret, ROW_NUMBER() OVER (PARTITION BY tailnum ORDER BY distance, secret) AS n FROM alliance.flights ORDER BY distance DESC, tailnum, n LIMIT 3

-- asked by: C
SELECT date_trunc('month', seen) AS month, date_part('year', at) AS year, CAST(day AS VARCHAR) AS day, COUNT(*) AS n FROM clinic.visits GROUP BY 1, 2, 3
-- equals:
SELECT date_trunc('month', seen), date_part('year', at), CAST(day AS VARCHAR), COUNT(*) FROM clinic.visits WHERE note = 'fine' GROUP BY 1, 2, 3

-- asked by: C
# Measures are taken within the bounds that their owner gives; those of numbers without a fraction are whole.
SELECT shop, SUM(cost) AS c, COUNT(cost) AS n, AVG(nights) AS a, SUM(paid) AS p, STDDEV(nights) AS d FROM web.stays WHERE shop <> 'odd' GROUP BY shop
-- equals:
SELECT shop, SUM(CAST(CASE WHEN cost < 0 THEN 0 WHEN cost > 100.5 THEN 100.5 ELSE cost END AS DECIMAL(20, 1))), COUNT(cost), AVG(CASE WHEN nights < 2 THEN 2 WHEN nights > 7 THEN 7 ELSE nights END),
  SUM(CASE WHEN paid < 10 THEN 10 WHEN paid > 99.99 THEN 99.99 ELSE paid END), STDDEV(CASE WHEN nights < 2 THEN 2 WHEN nights > 7 THEN 7 ELSE nights END) FROM web.stays WHERE shop <> 'odd' GROUP BY shop

-- asked by: C
# Where they are filtered and binned as well.
SELECT floor(nights / 2) * 2 AS bin, COUNT(*) AS n FROM web.stays WHERE cost >= 100.5 GROUP BY 1
-- equals:
SELECT floor(nights / 2) * 2, COUNT(*) FROM (SELECT email, CASE WHEN nights < 2 THEN 2 WHEN nights > 7 THEN 7 ELSE nights END AS nights FROM web.stays WHERE cost >= 100.5) t GROUP BY 1 HAVING COUNT(DISTINCT email) >= 3
