# What thresholds do not stop: each of these is answered, and tells more than it should to who knows enough. Noise,
# fewer analysts, higher thresholds, rounded counts and access budgets make it harder; see the project's README.

-- asked by: C
-- leak: a list of suspects padded with inventions: how many of the list are there is exact
SELECT COUNT(*) AS n FROM registry.planes WHERE tailnum IN (SELECT tailnum FROM lists.suspects)
-- equals:
SELECT COUNT(*) FROM registry.planes WHERE tailnum IN (SELECT tailnum FROM lists.suspects)

-- asked by: C
-- leak: coin weighing, one of many counts over halves of a list
SELECT COUNT(*) AS n FROM registry.planes WHERE tailnum IN (SELECT tailnum FROM lists.suspects WHERE tag = 'x')
-- equals:
SELECT COUNT(*) FROM registry.planes WHERE tailnum IN (SELECT tailnum FROM lists.suspects WHERE tag = 'x')

-- asked by: C
-- leak: who knows all others of a group subtracts them
SELECT manufacturer, COUNT(*) AS n, SUM(seats) AS seats FROM registry.planes GROUP BY manufacturer
-- equals:
SELECT manufacturer, COUNT(*), SUM(seats) FROM registry.planes GROUP BY manufacturer HAVING COUNT(*) >= 4

-- asked by: C
-- leak: a group of which everybody has the same value says it of each
SELECT manufacturer, engine, COUNT(*) AS n FROM registry.planes GROUP BY manufacturer, engine
-- equals:
SELECT manufacturer, engine, COUNT(*) FROM registry.planes GROUP BY manufacturer, engine HAVING COUNT(*) >= 4
