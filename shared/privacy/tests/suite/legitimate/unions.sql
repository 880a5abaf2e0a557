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
