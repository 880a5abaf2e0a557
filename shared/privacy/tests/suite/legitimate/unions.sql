# Venn diagrams of several owners' tables, total reach, and rows of several tables together.

-- asked by: C
SELECT COUNT(*) AS reach FROM (SELECT email FROM air.members UNION SELECT email FROM hotel.guests) u
-- answered:
| 90 |

-- asked by: C
SELECT COUNT(*) AS reach FROM (SELECT email FROM air.members UNION DISTINCT SELECT email FROM hotel.guests UNION DISTINCT SELECT email FROM cars.renters) u
-- answered:
| 110 |

-- asked by: C
SELECT COUNT(DISTINCT email) AS reach, COUNT(email) AS again FROM (SELECT email FROM air.members UNION SELECT email FROM cars.renters) u
-- answered:
| 90 | 90 |

-- asked by: C
SELECT COUNT(*) AS reach FROM (SELECT DISTINCT email FROM (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests UNION ALL SELECT email FROM cars.renters) a) u
-- answered:
| 110 |

-- asked by: C
SELECT COUNT(*) AS reach FROM (SELECT email FROM (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) a GROUP BY email) u
-- answered:
| 90 |

-- asked by: C
# All seven cells.
SELECT air, hotel, cars, COUNT(*) AS n FROM (
  SELECT email, MAX(air) AS air, MAX(hotel) AS hotel, MAX(cars) AS cars FROM (
    SELECT email, 1 AS air, 0 AS hotel, 0 AS cars FROM air.members
    UNION ALL SELECT email, 0, 1, 0 FROM hotel.guests
    UNION ALL SELECT email, 0, 0, 1 FROM cars.renters) a GROUP BY email) p
GROUP BY air, hotel, cars
-- answered:
| 0 | 0 | 1 | 20 |
| 0 | 1 | 0 | 20 |
| 0 | 1 | 1 | 10 |
| 1 | 0 | 0 | 20 |
| 1 | 0 | 1 | 10 |
| 1 | 1 | 0 | 20 |
| 1 | 1 | 1 | 10 |

-- asked by: C
SELECT a, b, COUNT(*) AS n FROM (SELECT email, MAX(a) AS a, MAX(b) AS b FROM
  (SELECT email, true AS a, false AS b FROM air.members UNION ALL SELECT email, false, true FROM hotel.guests) u GROUP BY email) p GROUP BY a, b ORDER BY n DESC, a
-- answered:
| false | true | 30 |
| true | false | 30 |
| true | true | 30 |

-- asked by: C
# One circle of it, whatever the other.
SELECT a, COUNT(*) AS n FROM (SELECT email, MAX(a) AS a FROM (SELECT email, 1 AS a FROM air.members UNION ALL SELECT email, 0 FROM hotel.guests) u GROUP BY email) p GROUP BY a
-- answered:
| 0 | 30 |
| 1 | 60 |

-- asked by: C
# Selected above the release.
SELECT SUM(n) AS hotel_not_air FROM (SELECT a, b, COUNT(*) AS n FROM (SELECT email, MAX(a) AS a, MAX(b) AS b FROM
  (SELECT email, 1 AS a, 0 AS b FROM air.members UNION ALL SELECT email, 0, 1 FROM hotel.guests) u GROUP BY email) p GROUP BY a, b) c WHERE a = 0 AND b = 1
-- answered:
| 30 |

-- asked by: C
# The overlap by a dimension of one of them.
SELECT class, a, r, COUNT(*) AS n FROM (SELECT email, MAX(a) AS a, MAX(r) AS r, MAX(class) AS class FROM
  (SELECT email, 1 AS a, 0 AS r, NULL AS class FROM air.members UNION ALL SELECT email, 0, 1, class FROM cars.renters) u GROUP BY email) p GROUP BY class, a, r
-- answered:
| large | 0 | 1 | 15 |
| large | 1 | 1 | 10 |
| small | 0 | 1 | 15 |
| small | 1 | 1 | 10 |
| NULL | 1 | 0 | 40 |

-- asked by: C
# Rows of two tables, added up; each has enough in every group.
SELECT kind, COUNT(*) AS n, SUM(x) AS x FROM (SELECT tier AS kind, points AS x FROM air.members WHERE tier = 'gold' UNION ALL SELECT country, nights FROM hotel.guests) u GROUP BY kind
-- equals:
SELECT kind, COUNT(*), SUM(x) FROM (SELECT tier AS kind, points AS x FROM air.members WHERE tier = 'gold' UNION ALL SELECT country, nights FROM hotel.guests) u GROUP BY kind

-- asked by: C
SELECT COUNT(*) AS n, AVG(x) AS x FROM (SELECT points AS x FROM air.members UNION ALL SELECT price FROM cars.renters) u
-- equals:
SELECT COUNT(*), AVG(x) FROM (SELECT points AS x FROM air.members UNION ALL SELECT price FROM cars.renters) u

-- asked by: C
SELECT origin, COUNT(*) AS n FROM (SELECT 'air' AS origin, email FROM air.members UNION ALL SELECT 'cars', email FROM cars.renters) u GROUP BY origin
-- answered:
| air | 60 |
| cars | 50 |

-- asked by: C
SELECT DISTINCT kind FROM (SELECT country AS kind FROM hotel.guests UNION SELECT class FROM cars.renters) u
-- answered:
| ES |
| FR |
| IT |
| large |
| small |

-- asked by: C
SELECT COUNT(*) AS n FROM (SELECT email FROM air.members INTERSECT SELECT email FROM hotel.guests INTERSECT SELECT email FROM cars.renters) i
-- answered:
| 10 |

-- asked by: C
SELECT COUNT(*) AS n FROM (SELECT email FROM air.members WHERE email IN (SELECT email FROM lists.crm) UNION SELECT email FROM hotel.guests WHERE country = 'FR') u
-- answered:
| 70 |

-- asked by: C
# Own rows are added above.
SELECT (SELECT COUNT(*) FROM lists.crm) + (SELECT COUNT(*) FROM air.members) - (SELECT COUNT(*) FROM air.members WHERE email IN (SELECT email FROM lists.crm)) AS reach
-- answered:
| 120 |

# Joins of a union are the union of the joins.

-- asked by: C
SELECT COUNT(*) AS n, SUM(u.x) AS x FROM (SELECT email, points AS x FROM air.members UNION ALL SELECT email, price FROM cars.renters) u JOIN lists.crm c ON u.email = c.email
-- equals:
SELECT COUNT(*), SUM(u.x) FROM (SELECT email, points AS x FROM air.members UNION ALL SELECT email, price FROM cars.renters) u JOIN lists.crm c ON u.email = c.email

-- asked by: C
SELECT c.arm, u.origin, u.kind, COUNT(*) AS n FROM lists.crm c JOIN (SELECT email, 'air' AS origin, tier AS kind FROM air.members WHERE tier = 'gold' UNION ALL SELECT email, 'hotel', country FROM hotel.guests) u ON u.email = c.email GROUP BY c.arm, u.origin, u.kind
-- equals:
SELECT c.arm, u.origin, u.kind, COUNT(*) AS n FROM lists.crm c JOIN (SELECT email, 'air' AS origin, tier AS kind FROM air.members WHERE tier = 'gold' UNION ALL SELECT email, 'hotel', country FROM hotel.guests) u ON u.email = c.email GROUP BY c.arm, u.origin, u.kind

-- asked by: C
# With a third owner's rows; each owner's rows are counted in each branch.
SELECT r.class, COUNT(*) AS n FROM (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) u JOIN cars.renters r ON u.email = r.email GROUP BY r.class
-- equals:
SELECT r.class, COUNT(*) AS n FROM (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) u JOIN cars.renters r ON u.email = r.email GROUP BY r.class

-- asked by: C
SELECT COUNT(*) AS n FROM (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) u WHERE u.email IN (SELECT email FROM cars.renters)
-- equals:
SELECT COUNT(*) AS n FROM (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) u WHERE u.email IN (SELECT email FROM cars.renters)

-- asked by: C
SELECT COUNT(*) AS n FROM (SELECT email, kind FROM (SELECT email, tier AS kind FROM air.members UNION ALL SELECT email, country FROM hotel.guests) a WHERE kind <> 'black') u WHERE EXISTS (SELECT 1 FROM lists.thrice t WHERE t.email = u.email)
-- suppressed

-- asked by: C
SELECT kind, COUNT(*) AS n FROM (SELECT email, tier AS kind FROM air.members UNION ALL SELECT email, country FROM hotel.guests) a WHERE kind IN ('gold', 'blue', 'FR') GROUP BY kind
-- equals:
SELECT kind, COUNT(*) AS n FROM (SELECT email, tier AS kind FROM air.members UNION ALL SELECT email, country FROM hotel.guests) a WHERE kind IN ('gold', 'blue', 'FR') GROUP BY kind

-- asked by: C
# Two lists, one after the other.
SELECT COUNT(*) AS n, SUM(x) AS x FROM (SELECT email, points AS x FROM air.members UNION ALL SELECT email, nights FROM hotel.guests) u
JOIN lists.crm c ON u.email = c.email WHERE u.email IN (SELECT email FROM lists.allbut)
-- equals:
SELECT COUNT(*) AS n, SUM(x) AS x FROM (SELECT email, points AS x FROM air.members UNION ALL SELECT email, nights FROM hotel.guests) u
JOIN lists.crm c ON u.email = c.email WHERE u.email IN (SELECT email FROM lists.allbut)

-- asked by: C
# A list that only selects may repeat its keys.
SELECT origin, COUNT(*) AS n FROM (SELECT 'air' AS origin, email FROM air.members UNION ALL SELECT 'hotel', email FROM hotel.guests WHERE country <> 'IT') u WHERE email IN (SELECT email FROM lists.crm WHERE arm = 'test') GROUP BY origin
-- equals:
SELECT origin, COUNT(*) AS n FROM (SELECT 'air' AS origin, email FROM air.members UNION ALL SELECT 'hotel', email FROM hotel.guests WHERE country <> 'IT') u WHERE email IN (SELECT email FROM lists.crm WHERE arm = 'test') GROUP BY origin

-- asked by: C
# Reach within a list.
SELECT COUNT(*) AS reach FROM (SELECT email FROM air.members UNION SELECT email FROM cars.renters) u WHERE email IN (SELECT email FROM lists.crm WHERE arm = 'test')
-- equals:
SELECT COUNT(*) AS reach FROM (SELECT email FROM air.members UNION SELECT email FROM cars.renters) u WHERE email IN (SELECT email FROM lists.crm WHERE arm = 'test')

-- asked by: C
SELECT COUNT(*) AS reach FROM ((SELECT email FROM air.members UNION SELECT email FROM hotel.guests) INTERSECT SELECT email FROM lists.crm) u
-- equals:
SELECT COUNT(*) AS reach FROM ((SELECT email FROM air.members UNION SELECT email FROM hotel.guests) INTERSECT SELECT email FROM lists.crm) u

-- asked by: C
SELECT COUNT(*) AS reach FROM (SELECT DISTINCT u.email FROM (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) u JOIN lists.crm c ON u.email = c.email AND c.arm = 'control') d
-- equals:
SELECT COUNT(*) AS reach FROM (SELECT DISTINCT u.email FROM (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) u JOIN lists.crm c ON u.email = c.email AND c.arm = 'control') d

-- asked by: C
# The cells within a list.
SELECT a, b, COUNT(*) AS n FROM (SELECT u.email, MAX(a) AS a, MAX(b) AS b FROM
  (SELECT email, 1 AS a, 0 AS b FROM air.members UNION ALL SELECT email, 0, 1 FROM hotel.guests) u JOIN lists.crm c ON u.email = c.email GROUP BY u.email) p GROUP BY a, b
-- answered:
| 0 | 1 | 30 |
| 1 | 0 | 30 |
| 1 | 1 | 30 |

-- asked by: C
# By a segment of the list.
SELECT arm, COUNT(*) AS reach FROM (SELECT u.email, MAX(c.arm) AS arm FROM
  (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) u JOIN lists.crm c ON u.email = c.email GROUP BY u.email) p GROUP BY arm
-- equals:
SELECT arm, COUNT(*) FROM lists.crm WHERE email IN (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) GROUP BY arm

-- asked by: C
# All that are distinct of all rows are the reach.
SELECT COUNT(DISTINCT email) AS reach FROM (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) u
-- answered:
| 90 |

-- asked by: C
SELECT COUNT(DISTINCT u.email) AS reach, COUNT(DISTINCT u.email) * 2 AS twice FROM (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests UNION ALL SELECT email FROM cars.renters) u
-- answered:
| 110 | 220 |

-- asked by: C
SELECT COUNT(DISTINCT u.email) AS reach FROM (SELECT email FROM air.members UNION ALL SELECT email FROM cars.renters) u JOIN lists.crm c ON u.email = c.email WHERE c.arm = 'test'
-- equals:
SELECT COUNT(DISTINCT u.email) AS reach FROM (SELECT email FROM air.members UNION ALL SELECT email FROM cars.renters) u JOIN lists.crm c ON u.email = c.email WHERE c.arm = 'test'
