-- One database for each app: they share nothing.
CREATE DATABASE broker;
CREATE DATABASE archiver;
