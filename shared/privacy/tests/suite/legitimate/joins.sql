# Joins with own and reference tables, look-ups, aliases, nested queries.

-- asked by: C
SELECT s.tag, COUNT(*) AS n, SUM(p.seats) AS seats FROM lists.suspects s JOIN registry.planes p ON s.tailnum = p.tailnum GROUP BY s.tag
-- equals:
SELECT s.tag, COUNT(*), SUM(p.seats) FROM lists.suspects s JOIN registry.planes p ON s.tailnum = p.tailnum GROUP BY s.tag

-- asked by: C
SELECT SUM(p.seats) FROM (SELECT DISTINCT tailnum FROM lists.buckets) b JOIN registry.planes p ON b.tailnum = p.tailnum
-- equals:
SELECT SUM(seats) FROM registry.planes WHERE tailnum IN (SELECT tailnum FROM lists.buckets)

-- asked by: C
SELECT a.region, COUNT(*) AS n FROM alliance.flights f JOIN public.airports a ON f.origin = a.faa GROUP BY a.region
-- equals:
SELECT a.region, COUNT(*) FROM alliance.flights f JOIN public.airports a ON f.origin = a.faa WHERE f.tailnum IS NOT NULL
GROUP BY a.region HAVING COUNT(DISTINCT f.tailnum) >= 3

-- asked by: C
SELECT coalesce(c.name, 'other') AS name, COUNT(*) AS n FROM lists.carriers c RIGHT JOIN alliance.flights f ON f.carrier = c.carrier GROUP BY 1
-- equals:
SELECT c.name, COUNT(*) FROM lists.carriers c JOIN alliance.flights f ON f.carrier = c.carrier WHERE f.tailnum IS NOT NULL AND f.carrier <> 'YV'
GROUP BY 1 HAVING COUNT(DISTINCT f.tailnum) >= 3

-- asked by: C
SELECT a.region, p.manufacturer, COUNT(DISTINCT f.tailnum) AS planes
FROM alliance.flights f, registry.planes p, public.airports a
WHERE f.tailnum = p.tailnum AND f.origin = a.faa GROUP BY a.region, p.manufacturer
-- equals:
SELECT a.region, p.manufacturer, COUNT(DISTINCT f.tailnum) FROM alliance.flights f JOIN registry.planes p ON f.tailnum = p.tailnum
JOIN public.airports a ON f.origin = a.faa GROUP BY 1, 2 HAVING COUNT(DISTINCT f.tailnum) >= 4

-- asked by: C
SELECT COUNT(*) AS n FROM `alliance.flights` AS f JOIN "registry"."planes" AS p ON f.`tailnum` = p."tailnum" WHERE f.tailnum IS NOT NULL
-- equals:
SELECT COUNT(*) FROM alliance.flights f JOIN registry.planes p ON f.tailnum = p.tailnum

-- asked by: C
WITH jets AS (SELECT tailnum, manufacturer AS maker FROM registry.planes WHERE engine = 'Turbo-jet'),
     flown AS (SELECT tailnum, distance AS miles FROM alliance.flights WHERE month <= 6)
SELECT j.maker, COUNT(*) AS n, SUM(w.miles) AS miles FROM jets j JOIN flown w ON j.tailnum = w.tailnum GROUP BY j.maker
-- equals:
SELECT manufacturer, n, miles FROM (
  SELECT manufacturer, SUM(n) AS n, SUM(d) AS miles, COUNT(*) AS u, MAX(n) AS tn, MAX(d) AS td FROM (
    SELECT p.manufacturer, f.tailnum, COUNT(*) AS n, SUM(f.distance) AS d FROM alliance.flights f
    JOIN registry.planes p ON f.tailnum = p.tailnum WHERE p.engine = 'Turbo-jet' AND f.month <= 6 GROUP BY 1, 2) x GROUP BY 1) y
WHERE u >= 4 AND tn * 2 <= n AND td * 2 <= miles

-- asked by: C
SELECT COUNT(*) AS n FROM alliance.flights WHERE carrier IN (SELECT carrier FROM lists.carriers WHERE fleet > 500)
-- equals:
SELECT COUNT(*) FROM alliance.flights WHERE carrier IN ('UA', 'AA', 'DL') AND tailnum IS NOT NULL

-- asked by: C
# Individuals of the two tables are not the same: each table's own are counted.
SELECT c.city, COUNT(*) AS n, SUM(s.amount) AS amount, COUNT(DISTINCT s.email) AS buyers
FROM shop.sales s JOIN acme.customers c ON s.email = c.email GROUP BY c.city
-- equals:
SELECT city, n, amount, buyers FROM (
  SELECT c.city, COUNT(*) AS n, SUM(s.amount) AS amount, COUNT(DISTINCT s.email) AS buyers, COUNT(DISTINCT s.household) AS houses
  FROM shop.sales s JOIN acme.customers c ON s.email = c.email GROUP BY c.city) x WHERE houses >= 3 AND buyers >= 3

-- asked by: C
SELECT s.product, COUNT(DISTINCT s.email) AS buyers FROM shop.sales s GROUP BY s.product
-- equals:
SELECT product, COUNT(DISTINCT email) FROM shop.sales GROUP BY product

-- asked by: A
SELECT f.month, COUNT(*) AS n FROM alliance.flights f GROUP BY f.month ORDER BY n DESC, f.month
-- equals in order:
SELECT month, COUNT(*) AS n FROM alliance.flights GROUP BY month ORDER BY n DESC, month

-- asked by: C
SELECT COUNT(*) AS n FROM registry.planes p NATURAL JOIN lists.suspects s
-- answered:
| 12 |

-- asked by: C
SELECT s.size, COUNT(*) AS n FROM (SELECT tailnum, COUNT(*) AS size FROM lists.buckets WHERE upper(tag) <> 'NONE' GROUP BY tailnum HAVING COUNT(*) >= 1) s
JOIN registry.planes p ON s.tailnum = p.tailnum GROUP BY s.size
-- answered:
| 2 | 11 |

-- asked by: C
SELECT s.t, AVG(f.distance) AS d FROM alliance.flights f JOIN (SELECT tailnum, CAST(tag || '1' AS VARCHAR) AS t FROM lists.suspects ORDER BY tag) s USING (tailnum) GROUP BY s.t
-- equals:
SELECT tag || '1', AVG(f.distance) FROM alliance.flights f JOIN lists.suspects s ON f.tailnum = s.tailnum GROUP BY 1
