# Who is not there: outer and anti joins, with both parts large enough.

-- asked by: C
SELECT COUNT(*) AS n FROM air.members m WHERE NOT EXISTS (SELECT 1 FROM hotel.guests g WHERE g.email = m.email)
-- answered:
| 30 |

-- asked by: C
SELECT COUNT(*) AS n, SUM(points) AS points FROM air.members WHERE email NOT IN (SELECT email FROM hotel.guests)
-- equals:
SELECT COUNT(*), SUM(points) FROM air.members WHERE email NOT IN (SELECT email FROM hotel.guests)

-- asked by: C
SELECT COUNT(*) AS n FROM (SELECT email FROM air.members EXCEPT SELECT email FROM hotel.guests) e
-- answered:
| 30 |

-- asked by: C
SELECT COUNT(*) AS n FROM (SELECT email FROM hotel.guests EXCEPT DISTINCT SELECT email FROM air.members) e
-- answered:
| 30 |

-- asked by: C
SELECT COUNT(*) AS n FROM air.members m LEFT ANTI JOIN cars.renters r ON m.email = r.email
-- answered:
| 40 |

-- asked by: C
SELECT COUNT(*) AS n FROM cars.renters r RIGHT ANTI JOIN air.members m ON m.email = r.email
-- answered:
| 40 |

-- asked by: C
SELECT COUNT(*) AS n FROM air.members m LEFT JOIN hotel.guests g ON m.email = g.email WHERE g.email IS NULL
-- answered:
| 30 |

-- asked by: C
SELECT COUNT(*) AS n FROM hotel.guests g RIGHT JOIN air.members m ON m.email = g.email WHERE g.email IS NULL AND m.tier = 'gold'
-- equals:
SELECT COUNT(*) FROM air.members WHERE email NOT IN (SELECT email FROM hotel.guests) AND tier = 'gold'

-- asked by: C
SELECT tier, COUNT(*) AS n, AVG(points) AS p FROM air.members m WHERE NOT EXISTS (SELECT 1 FROM hotel.guests g WHERE g.email = m.email) AND tier IN ('gold', 'blue') GROUP BY tier
-- equals:
SELECT tier, COUNT(*), AVG(points) FROM air.members WHERE email NOT IN (SELECT email FROM hotel.guests) AND tier IN ('gold', 'blue') GROUP BY tier

-- asked by: C
SELECT COUNT(*) AS n FROM (SELECT email FROM air.members EXCEPT SELECT email FROM hotel.guests EXCEPT SELECT email FROM cars.renters) e
-- answered:
| 20 |

-- asked by: C
SELECT COUNT(*) AS n FROM (SELECT email FROM air.members EXCEPT SELECT email FROM hotel.guests INTERSECT SELECT email FROM cars.renters) e
-- answered:
| 50 |

-- asked by: C
SELECT COUNT(*) AS n FROM ((SELECT email FROM air.members EXCEPT SELECT email FROM hotel.guests) INTERSECT SELECT email FROM cars.renters) e
-- answered:
| 10 |

-- asked by: C
SELECT COUNT(*) AS n FROM air.members m WHERE m.email NOT IN (SELECT email FROM lists.crm WHERE arm = 'test')
-- answered:
| 30 |

-- asked by: C
SELECT COUNT(*) AS n FROM lists.crm c WHERE c.email NOT IN (SELECT email FROM air.members)
-- answered:
| 60 |

-- asked by: C
SELECT arm, COUNT(*) AS n FROM lists.crm c WHERE NOT EXISTS (SELECT 1 FROM air.members m WHERE m.email = c.email) GROUP BY arm ORDER BY arm
-- answered:
| control | 30 |
| test | 30 |

-- asked by: C
SELECT COUNT(*) AS n FROM (SELECT email FROM lists.thrice EXCEPT SELECT email FROM hotel.guests WHERE country = 'FR') e
-- suppressed

-- asked by: C
SELECT COUNT(*) AS n FROM (SELECT email FROM lists.crm EXCEPT SELECT email FROM hotel.guests WHERE country = 'FR') e
-- answered:
| 100 |

-- asked by: C
# A lift test: both arms, with those who bought nothing.
SELECT c.arm, COUNT(*) AS n, COUNT(m.email) AS members, SUM(m.points) AS points, COUNT(DISTINCT c.email) AS people
FROM lists.crm c LEFT JOIN air.members m ON c.email = m.email GROUP BY c.arm
-- equals:
SELECT c.arm, COUNT(*), COUNT(m.email), SUM(m.points), COUNT(DISTINCT c.email) FROM lists.crm c LEFT JOIN air.members m ON c.email = m.email GROUP BY c.arm

-- asked by: C
SELECT c.arm, COUNT(*) AS stays, COUNT(DISTINCT g.email) AS guests, AVG(g.nights) AS nights
FROM hotel.guests g RIGHT JOIN lists.crm c ON c.email = g.email GROUP BY c.arm
-- equals:
SELECT c.arm, COUNT(*), COUNT(DISTINCT g.email), AVG(g.nights) FROM lists.crm c LEFT JOIN hotel.guests g ON c.email = g.email GROUP BY c.arm

-- asked by: C
SELECT COUNT(*) AS n, COUNT(g.email) AS stays, COUNT(DISTINCT m.email) AS members, COUNT(DISTINCT g.email) AS guests, SUM(m.points) AS p
FROM air.members m LEFT JOIN hotel.guests g ON m.email = g.email
-- equals:
SELECT COUNT(*), COUNT(g.email), COUNT(DISTINCT m.email), COUNT(DISTINCT g.email), SUM(m.points) FROM air.members m LEFT JOIN hotel.guests g ON m.email = g.email

-- asked by: C
SELECT m.tier, COUNT(*) AS n, COUNT(g.email) AS stays FROM air.members m LEFT JOIN hotel.guests g USING (email) WHERE tier IN ('gold', 'blue') GROUP BY m.tier
-- equals:
SELECT m.tier, COUNT(*), COUNT(g.email) FROM air.members m LEFT JOIN hotel.guests g ON m.email = g.email WHERE m.tier IN ('gold', 'blue') GROUP BY m.tier

-- asked by: C
# The group without a country is of those who are no guests.
SELECT g.country, COUNT(*) AS n, COUNT(DISTINCT m.email) AS members FROM air.members m LEFT JOIN hotel.guests g ON m.email = g.email GROUP BY g.country
-- equals:
SELECT g.country, COUNT(*), COUNT(DISTINCT m.email) FROM air.members m LEFT JOIN hotel.guests g ON m.email = g.email GROUP BY g.country

-- asked by: C
SELECT coalesce(c.arm, 'none') AS arm, COUNT(*) AS n, SUM(m.points) AS p FROM air.members m LEFT JOIN (SELECT email, arm FROM lists.crm WHERE weight < 1048576) c ON m.email = c.email GROUP BY 1
-- equals:
SELECT coalesce(c.arm, 'none'), COUNT(*), SUM(m.points) FROM air.members m LEFT JOIN (SELECT email, arm FROM lists.crm WHERE weight < 1048576) c ON m.email = c.email GROUP BY 1

-- asked by: C
SELECT COUNT(*) AS n, COUNT(m.email) AS air, COUNT(r.email) AS cars, SUM(r.price) AS price FROM air.members m FULL JOIN cars.renters r ON m.email = r.email
-- equals:
SELECT COUNT(*), COUNT(m.email), COUNT(r.email), SUM(r.price) FROM air.members m FULL JOIN cars.renters r ON m.email = r.email

-- asked by: C
SELECT r.class, COUNT(*) AS n FROM air.members m FULL OUTER JOIN cars.renters r ON m.email = r.email GROUP BY r.class
-- equals:
SELECT r.class, COUNT(*) FROM air.members m FULL JOIN cars.renters r ON m.email = r.email GROUP BY r.class

-- asked by: C
# A condition on the other side that NULL fails makes it an inner join.
SELECT COUNT(*) AS n FROM air.members m LEFT JOIN hotel.guests g ON m.email = g.email WHERE g.country = 'FR'
-- equals:
SELECT COUNT(*) FROM air.members m JOIN hotel.guests g ON m.email = g.email WHERE g.country = 'FR'

-- asked by: C
SELECT COUNT(*) AS n FROM air.members m LEFT JOIN hotel.guests g ON m.email = g.email AND g.country = 'IT' AND m.tier <> 'black' WHERE m.tier <> 'black'
-- equals:
SELECT COUNT(*) FROM air.members m LEFT JOIN hotel.guests g ON m.email = g.email AND g.country = 'IT' WHERE m.tier <> 'black'

-- asked by: C
SELECT m.tier, COUNT(*) AS n, COUNT(g.email) AS stays, COUNT(r.email) AS rents FROM air.members m LEFT JOIN hotel.guests g ON m.email = g.email LEFT JOIN cars.renters r ON m.email = r.email
WHERE m.tier IN ('gold', 'blue') GROUP BY m.tier
-- equals:
SELECT m.tier, COUNT(*), COUNT(g.email), COUNT(r.email) FROM air.members m LEFT JOIN hotel.guests g ON m.email = g.email LEFT JOIN cars.renters r ON m.email = r.email
WHERE m.tier IN ('gold', 'blue') GROUP BY m.tier

-- asked by: C
SELECT m.tier, COUNT(*) AS n FROM air.members m LEFT JOIN hotel.guests g ON m.email = g.email JOIN cars.renters r ON m.email = r.email WHERE m.tier IN ('gold', 'blue') GROUP BY m.tier
-- equals:
SELECT m.tier, COUNT(*) FROM air.members m LEFT JOIN hotel.guests g ON m.email = g.email JOIN cars.renters r ON m.email = r.email WHERE m.tier IN ('gold', 'blue') GROUP BY m.tier

-- asked by: C
SELECT COUNT(*) AS n FROM (SELECT DISTINCT g.email FROM hotel.guests g WHERE g.email NOT IN (SELECT email FROM air.members)) t
-- answered:
| 30 |

-- asked by: A
SELECT COUNT(*) AS n FROM air.members m WHERE m.email NOT IN (SELECT email FROM hotel.guests)
-- answered:
| 30 |

-- asked by: C
# What the airline's hotel guests do not rent, of a shop and a list that is free.
SELECT COUNT(*) AS n FROM lists.crm c WHERE c.email NOT IN (SELECT email FROM lists.allbut)
-- answered:
| 61 |

-- asked by: C
# A dimension that is not on an own list.
SELECT COUNT(*) AS n FROM alliance.flights WHERE carrier NOT IN (SELECT carrier FROM lists.carriers WHERE fleet < 100)
-- equals:
SELECT COUNT(*) FROM alliance.flights WHERE carrier NOT IN ('YV', 'HA') AND tailnum IS NOT NULL

-- asked by: C
SELECT COUNT(*) AS n FROM air.members m WHERE NOT EXISTS (SELECT 1 FROM lists.crm c WHERE c.arm = m.tier)
-- answered:
| 60 |

-- asked by: C
# Both sides have a column of one name, and engines have taken one for the other.
SELECT m.tier, AVG(m.points) AS p, COUNT(*) AS n FROM air.members m FULL JOIN cars.renters r ON m.email = r.email GROUP BY m.tier
-- equals:
SELECT tier, AVG(points), COUNT(*) FROM air.members WHERE tier IN ('gold', 'blue') GROUP BY tier
