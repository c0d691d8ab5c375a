-- The five tables of networking-bgpvpn 25.0.0, as its own migrations made them in MariaDB 10.11 beside Neutron 29:
--   neutron-db-manage --subproject networking-bgpvpn upgrade heads      (heads 7a9482036ecd and 9d7f1ae5fa56)
-- and as SHOW CREATE TABLE then wrote them. tests/neutron/test_import_rehearsal.py (make test-long) makes them anew
-- with the real package and compares.

CREATE TABLE `bgpvpns` (
  `name` varchar(255) DEFAULT NULL,
  `id` varchar(36) NOT NULL,
  `project_id` varchar(255) DEFAULT NULL,
  `type` enum('l2','l3') NOT NULL,
  `route_targets` varchar(255) NOT NULL,
  `import_targets` varchar(255) DEFAULT NULL,
  `export_targets` varchar(255) DEFAULT NULL,
  `route_distinguishers` varchar(255) DEFAULT NULL,
  `vni` int(11) DEFAULT NULL,
  `local_pref` bigint(20) DEFAULT NULL,
  `standard_attr_id` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `uniq_bgpvpns0standard_attr_id` (`standard_attr_id`),
  KEY `ix_bgpvpns_project_id` (`project_id`),
  CONSTRAINT `bgpvpns_ibfk_1` FOREIGN KEY (`standard_attr_id`) REFERENCES `standardattributes` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;

CREATE TABLE `bgpvpn_network_associations` (
  `id` varchar(36) NOT NULL,
  `project_id` varchar(255) NOT NULL,
  `bgpvpn_id` varchar(36) NOT NULL,
  `network_id` varchar(36) NOT NULL,
  `standard_attr_id` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `bgpvpn_id` (`bgpvpn_id`,`network_id`),
  UNIQUE KEY `uniq_bgpvpn_network_associations0standard_attr_id` (`standard_attr_id`),
  KEY `network_id` (`network_id`),
  KEY `ix_bgpvpn_network_associations_project_id` (`project_id`),
  CONSTRAINT `bgpvpn_network_associations_ibfk_1` FOREIGN KEY (`network_id`) REFERENCES `networks` (`id`) ON DELETE CASCADE,
  CONSTRAINT `bgpvpn_network_associations_ibfk_2` FOREIGN KEY (`bgpvpn_id`) REFERENCES `bgpvpns` (`id`) ON DELETE CASCADE,
  CONSTRAINT `bgpvpn_network_associations_ibfk_3` FOREIGN KEY (`standard_attr_id`) REFERENCES `standardattributes` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;

CREATE TABLE `bgpvpn_router_associations` (
  `id` varchar(36) NOT NULL,
  `project_id` varchar(255) NOT NULL,
  `bgpvpn_id` varchar(36) NOT NULL,
  `router_id` varchar(36) NOT NULL,
  `advertise_extra_routes` tinyint(1) NOT NULL DEFAULT 1,
  `standard_attr_id` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `bgpvpn_id` (`bgpvpn_id`,`router_id`),
  UNIQUE KEY `uniq_bgpvpn_router_associations0standard_attr_id` (`standard_attr_id`),
  KEY `router_id` (`router_id`),
  KEY `ix_bgpvpn_router_associations_project_id` (`project_id`),
  CONSTRAINT `bgpvpn_router_associations_ibfk_1` FOREIGN KEY (`router_id`) REFERENCES `routers` (`id`) ON DELETE CASCADE,
  CONSTRAINT `bgpvpn_router_associations_ibfk_2` FOREIGN KEY (`bgpvpn_id`) REFERENCES `bgpvpns` (`id`) ON DELETE CASCADE,
  CONSTRAINT `bgpvpn_router_associations_ibfk_3` FOREIGN KEY (`standard_attr_id`) REFERENCES `standardattributes` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;

CREATE TABLE `bgpvpn_port_associations` (
  `id` varchar(36) NOT NULL,
  `project_id` varchar(255) NOT NULL,
  `bgpvpn_id` varchar(36) NOT NULL,
  `port_id` varchar(36) NOT NULL,
  `advertise_fixed_ips` tinyint(1) NOT NULL DEFAULT 1,
  `standard_attr_id` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `bgpvpn_id` (`bgpvpn_id`,`port_id`),
  UNIQUE KEY `uniq_bgpvpn_port_associations0standard_attr_id` (`standard_attr_id`),
  KEY `port_id` (`port_id`),
  KEY `ix_bgpvpn_port_associations_project_id` (`project_id`),
  CONSTRAINT `bgpvpn_port_associations_ibfk_1` FOREIGN KEY (`bgpvpn_id`) REFERENCES `bgpvpns` (`id`) ON DELETE CASCADE,
  CONSTRAINT `bgpvpn_port_associations_ibfk_2` FOREIGN KEY (`port_id`) REFERENCES `ports` (`id`) ON DELETE CASCADE,
  CONSTRAINT `bgpvpn_port_associations_ibfk_3` FOREIGN KEY (`standard_attr_id`) REFERENCES `standardattributes` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;

CREATE TABLE `bgpvpn_port_association_routes` (
  `id` varchar(36) NOT NULL,
  `port_association_id` varchar(36) NOT NULL,
  `type` enum('prefix','bgpvpn') NOT NULL,
  `local_pref` bigint(20) DEFAULT NULL,
  `prefix` varchar(49) DEFAULT NULL,
  `bgpvpn_id` varchar(36) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `port_association_id` (`port_association_id`),
  KEY `bgpvpn_id` (`bgpvpn_id`),
  CONSTRAINT `bgpvpn_port_association_routes_ibfk_1` FOREIGN KEY (`port_association_id`) REFERENCES `bgpvpn_port_associations` (`id`) ON DELETE CASCADE,
  CONSTRAINT `bgpvpn_port_association_routes_ibfk_2` FOREIGN KEY (`bgpvpn_id`) REFERENCES `bgpvpns` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;
