# Dimensions looked up in tables of the caller's own, and in reference tables of others.

-- asked by: C
SELECT c.name, a.region, COUNT(*) AS n FROM alliance.flights f JOIN lists.carriers c ON f.carrier = c.carrier LEFT JOIN public.airports a ON f.origin = a.faa GROUP BY c.name, a.region
-- equals:
SELECT name, region, n FROM (SELECT name, region, SUM(n) AS n, COUNT(*) AS u, MAX(n) AS t FROM (
  SELECT c.name, a.region, f.tailnum, COUNT(*) AS n FROM alliance.flights f JOIN lists.carriers c ON f.carrier = c.carrier LEFT JOIN public.airports a ON f.origin = a.faa
  WHERE f.tailnum IS NOT NULL GROUP BY 1, 2, 3) x GROUP BY 1, 2) y WHERE u >= 3 AND t * 2 <= n

-- asked by: C
# Unique by a grouping, with a condition of its own.
SELECT s.t, COUNT(*) AS n FROM registry.planes p JOIN (SELECT fleet - fleet + 2002 AS y, MAX(name) AS t FROM lists.carriers GROUP BY fleet - fleet + 2002) s ON p.year = s.y GROUP BY s.t
-- equals:
SELECT 'United', COUNT(*) FROM registry.planes WHERE year = 2002

-- asked by: C
# By an expression of the dimension; and what was looked up is looked up again.
SELECT r.name, COUNT(*) AS n FROM alliance.flights f JOIN public.airports a ON upper(f.dest) = a.faa
JOIN (SELECT DISTINCT region AS name FROM public.airports) r ON a.region = r.name WHERE f.dest <> 'ODD' GROUP BY r.name
-- equals:
SELECT region, n FROM (SELECT region, COUNT(*) AS n, COUNT(DISTINCT tailnum) AS u FROM alliance.flights JOIN public.airports ON dest = faa WHERE tailnum IS NOT NULL GROUP BY 1) t WHERE u >= 6

-- asked by: C
# In steps.
SELECT m.name, COUNT(*) AS n FROM web.stays s JOIN (SELECT fleet - fleet + 3 AS q, MIN('third') AS name FROM lists.carriers GROUP BY fleet - fleet + 3) m ON date_part('quarter', s.at) = m.q GROUP BY m.name
-- equals:
SELECT 'third', COUNT(*) FROM web.stays WHERE date_part('quarter', at) = 3
