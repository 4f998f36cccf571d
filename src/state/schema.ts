/**
 * The schema, one step a version: `PRAGMA user_version` counts the steps taken. Steps are only ever
 * added, so that any older file can be brought up to date.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE ledger (
    peer TEXT NOT NULL,
    path TEXT NOT NULL,
    -- NULL: forgotten on purpose; kept a while so that other processes learn of it.
    entry TEXT,
    present INTEGER NOT NULL,
    at INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    PRIMARY KEY (peer, path)
  ) WITHOUT ROWID;
  CREATE INDEX ledger_batch ON ledger (peer, batch);
  CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO counter VALUES ('batch', 0), ('epoch', 0), ('settled', 0);
  CREATE TABLE seen (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, entry TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE seat (one INTEGER PRIMARY KEY CHECK (one = 1), role TEXT NOT NULL, epoch INTEGER NOT NULL);
  CREATE TABLE switch (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    by TEXT NOT NULL,
    until INTEGER
  );
  CREATE TABLE version (
    id TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    entry TEXT NOT NULL,
    object TEXT,
    size INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    reason TEXT NOT NULL,
    peer TEXT NOT NULL,
    at INTEGER NOT NULL,
    number INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX version_path ON version (path, number);
  CREATE INDEX version_object ON version (object);
  CREATE TABLE conflict (
    peer TEXT NOT NULL,
    path TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    active TEXT NOT NULL,
    passive TEXT NOT NULL,
    agreed TEXT,
    PRIMARY KEY (peer, path)
  ) WITHOUT ROWID;
  `,
  `
  -- What a receiver is about to place: after a crash, what lies there by its doing is no edit of anybody.
  CREATE TABLE intent (peer TEXT NOT NULL, path TEXT NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (peer, path)) WITHOUT ROWID;
  -- Files that are placed together: how to bring them back, should a crash come between two renames.
  CREATE TABLE journal (id TEXT PRIMARY KEY, members TEXT NOT NULL) WITHOUT ROWID;
  -- Single facts that outlive a process.
  CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
  `,
  `
  -- Apply hooks that have to run and did not yet.
  CREATE TABLE owed_hook (command TEXT PRIMARY KEY) WITHOUT ROWID;
  `,
  `
  -- In the order in which they were kept: with ids, which are random, as its key, each of many versions had pages of its own to be
  -- written, and ever more of them the more are kept.
  CREATE TABLE version_in_order (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    path TEXT NOT NULL,
    entry TEXT NOT NULL,
    object TEXT,
    size INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    reason TEXT NOT NULL,
    peer TEXT NOT NULL,
    at INTEGER NOT NULL,
    number INTEGER NOT NULL
  );
  INSERT INTO version_in_order (id, path, entry, object, size, epoch, reason, peer, at, number)
    SELECT id, path, entry, object, size, epoch, reason, peer, at, number FROM version ORDER BY at, number;
  DROP TABLE version;
  ALTER TABLE version_in_order RENAME TO version;
  CREATE INDEX version_path ON version (path, number);
  -- The first digits tell nearly all contents apart.
  CREATE INDEX version_object ON version (substr(object, 1, 8));
  `,
];
