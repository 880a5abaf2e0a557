# Look-ups that would repeat rows, select individuals, or lead further than the dimension. Rules: H1, H2, H20.

-- asked by: C
-- leak: a table that repeats a dimension's value weighs the rows that have it (H1)
SELECT COUNT(*) FROM registry.planes p JOIN lists.buckets b ON p.manufacturer = b.tag
-- refused: NOT_UNIQUE

-- asked by: C
-- leak: unique on more than what it is looked up by (H1)
SELECT b.tag, COUNT(*) FROM registry.planes p JOIN (SELECT DISTINCT tag, tailnum FROM lists.buckets) b ON p.manufacturer = b.tag GROUP BY b.tag
-- refused: NOT_UNIQUE

-- asked by: C
-- leak: a look-up by a measure names the rows that have a value
SELECT COUNT(*) FROM alliance.flights f JOIN lists.carriers c ON f.distance = c.fleet
-- refused: COLUMN_USE

-- asked by: C
-- leak: finer than the step
SELECT c.name, COUNT(*) FROM web.stays s JOIN lists.carriers c ON s.size = c.fleet GROUP BY c.name
-- refused: COLUMN_USE

-- asked by: C
-- leak: the threshold of the dimension holds for what is looked up by it (H20)
SELECT DISTINCT a.region FROM alliance.flights f JOIN public.airports a ON f.dest = a.faa WHERE f.carrier = 'YV'
-- suppressed

-- asked by: C
SELECT DISTINCT a.region FROM alliance.flights f JOIN public.airports a ON f.origin = a.faa WHERE f.carrier = 'YV'
-- answered:
| east |

-- asked by: C
-- leak: numbers that are looked up, as weights (H2)
SELECT AVG(c.fleet) FROM alliance.flights f LEFT JOIN lists.carriers c ON f.carrier = c.carrier
-- refused: OWN_VALUES

-- asked by: C
SELECT SUM(f.distance * c.fleet) FROM alliance.flights f JOIN lists.carriers c ON f.carrier = c.carrier
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT SUM(w) FROM (SELECT f.tailnum, MAX(c.fleet) AS w FROM alliance.flights f JOIN lists.carriers c ON f.carrier = c.carrier GROUP BY f.tailnum) t
-- refused: COLUMN_USE

-- asked by: C
-- leak: from what was looked up to another table's individuals
SELECT COUNT(*) FROM registry.planes p JOIN (SELECT tag, MIN(tailnum) AS tailnum FROM lists.suspects GROUP BY tag) s ON p.engine = s.tag JOIN alliance.flights f ON s.tailnum = f.tailnum
-- refused: JOIN_KEY

-- asked by: C
-- leak: a table of a tenant that is not reference
SELECT COUNT(*) FROM alliance.flights f LEFT JOIN registry.planes p ON f.carrier = p.manufacturer
-- refused: JOIN_KEY

-- asked by: C
-- leak: sales forbid that another table repeats their rows
SELECT SUM(s.amount) FROM shop.sales s JOIN web.visits v ON s.email = v.email
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
-- leak: a look-up is no absence; the group of what is not in the list is a group like others
SELECT c.name, COUNT(*) FROM alliance.flights f LEFT JOIN lists.carriers c ON f.carrier = c.carrier WHERE f.carrier = 'ZZ' GROUP BY c.name
-- suppressed
