# What is done above a release, and around it. Rules: H24.

-- asked by: C
SELECT manufacturer, SUM(seats) / COUNT(*) AS mean, 100.0 * COUNT(*) / 45 AS share FROM registry.planes GROUP BY manufacturer ORDER BY share DESC
-- equals in order:
SELECT manufacturer, SUM(seats) / COUNT(*), 100.0 * COUNT(*) / 45 AS share FROM registry.planes GROUP BY manufacturer HAVING COUNT(*) >= 4 ORDER BY share DESC

-- asked by: C
WITH by_maker AS (SELECT manufacturer, COUNT(*) AS n FROM registry.planes GROUP BY manufacturer)
SELECT manufacturer, n, SUM(n) OVER () AS all_planes, RANK() OVER (ORDER BY n DESC) AS place FROM by_maker ORDER BY place
-- answered:
| BOEING | 22 | 42 | 1 |
| AIRBUS | 14 | 42 | 2 |
| EMBRAER | 6 | 42 | 3 |

-- asked by: C
SELECT (SELECT COUNT(*) FROM registry.planes) - (SELECT COUNT(*) FROM lists.suspects) AS rest
-- answered:
| 33 |

-- asked by: C
SELECT c.name, g.n FROM (SELECT carrier, COUNT(DISTINCT tailnum) AS n FROM alliance.flights GROUP BY carrier) g JOIN lists.carriers c ON c.carrier = g.carrier ORDER BY c.name
-- equals in order:
SELECT c.name, COUNT(DISTINCT f.tailnum) FROM alliance.flights f JOIN lists.carriers c ON c.carrier = f.carrier GROUP BY c.name HAVING COUNT(DISTINCT f.tailnum) >= 3 ORDER BY c.name

-- asked by: C
SELECT a.model, a.n, b.n FROM (SELECT model, COUNT(*) AS n FROM registry.planes WHERE engine = 'Turbo-fan' GROUP BY model) a
JOIN (SELECT model, COUNT(*) AS n FROM registry.planes WHERE engine = 'Turbo-jet' GROUP BY model) b ON a.model = b.model
-- equals:
SELECT model, COUNT(*) FILTER (WHERE engine = 'Turbo-fan'), COUNT(*) FILTER (WHERE engine = 'Turbo-jet') FROM registry.planes GROUP BY model
HAVING COUNT(*) FILTER (WHERE engine = 'Turbo-fan') >= 4 AND COUNT(*) FILTER (WHERE engine = 'Turbo-jet') >= 4

-- asked by: C
SELECT manufacturer FROM registry.planes GROUP BY manufacturer ORDER BY COUNT(*) LIMIT 1
-- answered:
| EMBRAER |

-- asked by: C
SELECT manufacturer FROM registry.planes GROUP BY manufacturer LIMIT 1 OFFSET 1
-- answered:
| BOEING |

-- asked by: C
SELECT MAX(n) AS most, MIN(n) AS least FROM (SELECT manufacturer, COUNT(*) AS n FROM registry.planes GROUP BY manufacturer) g
-- answered:
| 22 | 6 |

-- asked by: C
SELECT 'planes' AS what, COUNT(*) AS n FROM registry.planes UNION ALL SELECT 'list', COUNT(*) FROM lists.suspects ORDER BY what
-- answered:
| list | 12 |
| planes | 45 |

-- asked by: C
SELECT tailnum, weight > (SELECT AVG(seats) FROM registry.planes) AS heavy FROM lists.suspects ORDER BY tailnum LIMIT 2
-- answered:
| N1 | true |
| N10 | true |

-- asked by: C
# What is computed of deviations is free above them.
SELECT device, STDDEV(price) / AVG(price) AS cv, SQRT(VAR_POP(price)) AS d, VAR_SAMP(price) / COUNT(price) AS e FROM web.visits WHERE device <> 'odd' GROUP BY device
-- equals:
SELECT device, STDDEV(price) / AVG(price) AS cv, SQRT(VAR_POP(price)) AS d, VAR_SAMP(price) / COUNT(price) AS e FROM web.visits WHERE device <> 'odd' GROUP BY device
