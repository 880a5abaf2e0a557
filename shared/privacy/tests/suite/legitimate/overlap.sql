# The overlap of two tables, from either side.

-- asked by: A
SELECT COUNT(*) AS n FROM (SELECT tailnum FROM alliance.flights INTERSECT SELECT tailnum FROM registry.planes) o
-- answered:
| 41 |

-- asked by: B
SELECT COUNT(*) AS n FROM (SELECT tailnum FROM alliance.flights INTERSECT SELECT tailnum FROM registry.planes) o
-- answered:
| 41 |

-- asked by: C
SELECT COUNT(*) AS n FROM (SELECT tailnum FROM registry.planes INTERSECT SELECT tailnum FROM alliance.flights) o
-- answered:
| 41 |

-- asked by: B
SELECT COUNT(DISTINCT f.tailnum) FROM alliance.flights f JOIN registry.planes p ON f.tailnum = p.tailnum
-- answered:
| 41 |

-- asked by: C
SELECT COUNT(DISTINCT p.tailnum) AS n FROM registry.planes p JOIN alliance.flights f ON f.tailnum = p.tailnum
-- answered:
| 41 |

-- asked by: C
SELECT COUNT(*) FROM lists.suspects WHERE tailnum IN (SELECT tailnum FROM registry.planes)
-- answered:
| 12 |

-- asked by: C
SELECT s.tag, COUNT(*) AS n FROM lists.suspects s WHERE EXISTS (SELECT 1 FROM registry.planes p WHERE p.tailnum = s.tailnum) GROUP BY s.tag
-- answered:
| x | 6 |
| y | 6 |

-- asked by: C
SELECT COUNT(*) AS n FROM registry.planes p WHERE p.tailnum IN (SELECT tailnum FROM lists.buckets WHERE tag = 'without')
-- answered:
| 11 |

-- asked by: C
SELECT COUNT(*) FROM registry.planes p LEFT SEMI JOIN lists.suspects s ON p.tailnum = s.tailnum
-- answered:
| 12 |

-- asked by: C
SELECT COUNT(*) FROM registry.planes p WHERE EXISTS (SELECT 1 FROM alliance.flights f WHERE f.tailnum = p.tailnum AND f.carrier = 'UA')
-- equals:
SELECT COUNT(*) FROM registry.planes WHERE tailnum IN (SELECT tailnum FROM alliance.flights WHERE carrier = 'UA')
