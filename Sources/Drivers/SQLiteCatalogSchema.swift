import Database

/// The tables of the catalog, by version; `PRAGMA user_version` says which one a file has.
///
/// Specified in `Documentation/formats/catalog.md`. A row is pending while `since` is set. Ids are
/// 16 bytes, digests and tokens 32, times milliseconds since 1970, text is UTF-8.
enum SQLiteCatalogSchema {
  /// In the file's header, so that `file` and a person know what it is: `CVLT`.
  static let applicationID = 0x4356_4c54

  /// Each step makes the version after its place.
  static let steps: [SQL] = [
    version1, version2, endedLinks, earlierLogs, keyEpochs, retention, sealingLibraries, quarantine,
    judgedPurges, openPlans, orderedCounts, countsInBlocks, endings,
  ]

  private static let version1: SQL = """
    CREATE TABLE log_position (
      name TEXT NOT NULL PRIMARY KEY,
      idx INTEGER NOT NULL,
      leaf BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE fact (
      name TEXT NOT NULL PRIMARY KEY,
      value BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE totals (
      id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
      calls INTEGER NOT NULL,
      recordings INTEGER NOT NULL,
      transcripts INTEGER NOT NULL,
      notes INTEGER NOT NULL,
      plaintext_bytes INTEGER NOT NULL,
      ciphertext_bytes INTEGER NOT NULL
    ) STRICT;
    INSERT INTO totals VALUES (1, 0, 0, 0, 0, 0, 0);

    CREATE TABLE subject (
      id BLOB NOT NULL PRIMARY KEY,
      wrapped_key BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE subject_count (
      subject BLOB NOT NULL PRIMARY KEY,
      entries INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE call (
      id BLOB NOT NULL UNIQUE,
      since INTEGER,
      subject BLOB NOT NULL REFERENCES subject (id),
      created INTEGER NOT NULL,
      started INTEGER NOT NULL,
      started_offset INTEGER NOT NULL,
      direction TEXT NOT NULL,
      source TEXT NOT NULL,
      location TEXT,
      extension TEXT,
      key_id BLOB NOT NULL,
      wrapped_key BLOB NOT NULL,
      details BLOB NOT NULL,
      details_generation INTEGER NOT NULL,
      recording_numbers INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX call_by_time ON call (started, id);
    CREATE INDEX call_by_extension ON call (extension, started, id);
    CREATE INDEX call_by_location ON call (location, started, id);
    CREATE INDEX call_by_source ON call (source, started, id);
    CREATE INDEX call_by_direction ON call (direction, started, id);
    CREATE INDEX call_by_subject ON call (subject);
    CREATE INDEX call_pending ON call (since) WHERE since IS NOT NULL;

    CREATE TABLE call_token (
      field TEXT NOT NULL,
      key BLOB NOT NULL,
      value BLOB NOT NULL,
      started INTEGER NOT NULL,
      call BLOB NOT NULL REFERENCES call (id),
      PRIMARY KEY (field, key, value, started, call)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX call_token_by_call ON call_token (call);
    CREATE UNIQUE INDEX call_token_of_source ON call_token (key, value)
      WHERE field = 'source-call';

    CREATE TABLE recording (
      id BLOB NOT NULL UNIQUE,
      since INTEGER,
      log_index INTEGER,
      call BLOB NOT NULL REFERENCES call (id),
      number INTEGER NOT NULL,
      generation INTEGER NOT NULL,
      stored INTEGER NOT NULL,
      blob TEXT NOT NULL UNIQUE,
      plaintext_length INTEGER NOT NULL,
      ciphertext_length INTEGER NOT NULL,
      digest BLOB NOT NULL,
      content_key BLOB NOT NULL,
      content_value BLOB NOT NULL,
      key_id BLOB NOT NULL,
      audio_condition TEXT NOT NULL,
      audio_format TEXT,
      audio_channels INTEGER,
      audio_rate INTEGER,
      duration INTEGER,
      UNIQUE (call, number),
      UNIQUE (call, content_key, content_value)
    ) STRICT;
    CREATE INDEX recording_pending ON recording (since) WHERE since IS NOT NULL;

    CREATE TABLE text (
      id BLOB NOT NULL UNIQUE,
      since INTEGER,
      call BLOB NOT NULL REFERENCES call (id),
      kind TEXT NOT NULL,
      version INTEGER NOT NULL,
      stored INTEGER NOT NULL,
      author BLOB NOT NULL,
      key_id BLOB NOT NULL,
      length INTEGER NOT NULL,
      digest BLOB NOT NULL,
      sealed BLOB NOT NULL,
      UNIQUE (call, kind, version)
    ) STRICT;
    CREATE INDEX text_pending ON text (since) WHERE since IS NOT NULL;

    CREATE TABLE identity (
      id BLOB NOT NULL UNIQUE,
      since INTEGER,
      kind TEXT NOT NULL,
      name TEXT NOT NULL,
      created INTEGER NOT NULL,
      UNIQUE (kind, name)
    ) STRICT;
    CREATE INDEX identity_by_name ON identity (name, kind);
    CREATE INDEX identity_pending ON identity (since) WHERE since IS NOT NULL;

    CREATE TABLE token (
      id BLOB NOT NULL UNIQUE,
      since INTEGER,
      digest BLOB NOT NULL UNIQUE,
      holder BLOB NOT NULL,
      name TEXT NOT NULL,
      role TEXT NOT NULL,
      scopes TEXT NOT NULL,
      created_by BLOB NOT NULL,
      created INTEGER NOT NULL,
      expires INTEGER NOT NULL,
      revoked INTEGER,
      is_bootstrap INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX token_by_time ON token (created, id);
    CREATE INDEX token_pending ON token (since) WHERE since IS NOT NULL;

    CREATE TABLE playback_grant (
      digest BLOB NOT NULL PRIMARY KEY,
      recording BLOB NOT NULL,
      token BLOB NOT NULL,
      purpose TEXT NOT NULL,
      expires INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX playback_grant_by_end ON playback_grant (expires);
    """

  /// Patients, and the policy files that were in force.
  private static let version2: SQL = """
    CREATE TABLE patient (
      id BLOB NOT NULL UNIQUE REFERENCES subject (id),
      since INTEGER,
      created INTEGER NOT NULL,
      reference_key BLOB NOT NULL,
      reference_value BLOB NOT NULL,
      UNIQUE (reference_key, reference_value)
    ) STRICT;
    CREATE INDEX patient_pending ON patient (since) WHERE since IS NOT NULL;

    CREATE TABLE patient_link (
      id BLOB NOT NULL UNIQUE,
      since INTEGER,
      patient BLOB NOT NULL REFERENCES patient (id),
      call BLOB NOT NULL UNIQUE REFERENCES call (id),
      created INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX patient_link_by_patient ON patient_link (patient, created);
    CREATE INDEX patient_link_pending ON patient_link (since) WHERE since IS NOT NULL;

    CREATE TABLE policy_file (
      hash BLOB NOT NULL PRIMARY KEY,
      bytes BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    """

  private static let endedLinks: SQL = """
    CREATE TABLE ended_link (
      id BLOB NOT NULL PRIMARY KEY,
      patient BLOB NOT NULL REFERENCES patient (id),
      call BLOB NOT NULL REFERENCES call (id),
      created INTEGER NOT NULL,
      log_index INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX ended_link_by_patient ON ended_link (patient);
    """

  /// What counts in a log that goes no further: `Documentation/formats/recovery.md`.
  private static let earlierLogs: SQL = """
    ALTER TABLE recording ADD COLUMN earlier_log INTEGER;
    ALTER TABLE ended_link ADD COLUMN earlier_log INTEGER;

    CREATE TABLE earlier_subject_count (
      log INTEGER NOT NULL,
      subject BLOB NOT NULL,
      entries INTEGER NOT NULL,
      PRIMARY KEY (log, subject)
    ) STRICT, WITHOUT ROWID;
    """

  /// Key epochs, and what is left of purged calls.
  ///
  /// A record's bytes 3 to 18 are the id of the key-encryption key it hangs on.
  private static let keyEpochs: SQL = """
    ALTER TABLE call ADD COLUMN key_epoch INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX call_by_key ON call (key_id);
    CREATE INDEX call_by_kek ON call (substr(wrapped_key, 3, 16), id);
    CREATE INDEX subject_by_kek ON subject (substr(wrapped_key, 3, 16), id);

    CREATE TABLE retired_kek (
      id BLOB NOT NULL PRIMARY KEY,
      epoch INTEGER NOT NULL,
      retired INTEGER NOT NULL,
      confined_from INTEGER NOT NULL,
      destroyed INTEGER
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE purged_call (
      id BLOB NOT NULL PRIMARY KEY,
      since INTEGER,
      key_id BLOB NOT NULL,
      key_epoch INTEGER NOT NULL,
      kek BLOB NOT NULL,
      purged INTEGER NOT NULL,
      erased INTEGER,
      is_proven INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX purged_call_pending ON purged_call (since) WHERE since IS NOT NULL;
    CREATE INDEX purged_call_waiting ON purged_call (id) WHERE erased IS NULL;

    CREATE TABLE purged_link (
      id BLOB NOT NULL PRIMARY KEY,
      patient BLOB NOT NULL REFERENCES patient (id)
    ) STRICT, WITHOUT ROWID;
    """

  /// Holds, plans and approvals, facts that periods count from, and what certificates tell of.
  private static let retention: SQL = """
    CREATE TABLE legal_hold (
      id BLOB NOT NULL UNIQUE,
      since INTEGER,
      placed INTEGER NOT NULL,
      placed_by BLOB NOT NULL,
      sealed BLOB NOT NULL,
      released INTEGER,
      decided INTEGER
    ) STRICT;
    CREATE INDEX legal_hold_pending ON legal_hold (since) WHERE since IS NOT NULL;
    CREATE INDEX legal_hold_standing ON legal_hold (placed, id) WHERE released IS NULL;

    CREATE TABLE purge_plan (
      id BLOB NOT NULL UNIQUE,
      since INTEGER,
      hash BLOB NOT NULL UNIQUE,
      made INTEGER NOT NULL,
      made_by BLOB NOT NULL,
      calls INTEGER NOT NULL,
      recordings INTEGER NOT NULL,
      bytes INTEGER NOT NULL,
      log_index INTEGER,
      stage TEXT NOT NULL,
      grace_since INTEGER,
      document BLOB NOT NULL
    ) STRICT;
    CREATE INDEX purge_plan_pending ON purge_plan (since) WHERE since IS NOT NULL;
    CREATE INDEX purge_plan_by_time ON purge_plan (made, id);

    CREATE TABLE approval (
      subject BLOB NOT NULL,
      person BLOB NOT NULL,
      bytes BLOB NOT NULL,
      log_index INTEGER NOT NULL,
      PRIMARY KEY (subject, person)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE call_facts (
      call BLOB NOT NULL PRIMARY KEY REFERENCES call (id),
      sealed BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE patient_facts (
      patient BLOB NOT NULL PRIMARY KEY REFERENCES patient (id),
      sealed BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;

    ALTER TABLE purged_call ADD COLUMN plan BLOB;
    ALTER TABLE purged_call ADD COLUMN rule INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE purged_call ADD COLUMN eligible TEXT NOT NULL DEFAULT '';
    ALTER TABLE purged_call ADD COLUMN started INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE purged_call ADD COLUMN started_offset INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE purged_call ADD COLUMN recordings TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE purged_call ADD COLUMN recording_count INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE purged_call ADD COLUMN log_index INTEGER;
    ALTER TABLE purged_call ADD COLUMN erased_index INTEGER;
    CREATE INDEX purged_call_by_plan ON purged_call (plan, id) WHERE plan IS NOT NULL;
    CREATE INDEX purged_call_by_time ON purged_call (purged, recording_count);
    """

  /// Which library sealed what: ``SealingLibrary``; NULL of rows from before.
  private static let sealingLibraries: SQL = """
    ALTER TABLE call ADD COLUMN sealed_by TEXT;
    ALTER TABLE recording ADD COLUMN sealed_by TEXT;
    ALTER TABLE text ADD COLUMN sealed_by TEXT;
    CREATE INDEX call_by_library ON call (sealed_by);
    CREATE INDEX recording_by_library ON recording (sealed_by);
    CREATE INDEX text_by_library ON text (sealed_by);
    """

  /// Incidents, and calls that are sealed anew because a span of them was excised.
  private static let quarantine: SQL = """
    ALTER TABLE text ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;

    CREATE TABLE incident (
      id BLOB NOT NULL PRIMARY KEY,
      since INTEGER,
      call BLOB NOT NULL REFERENCES call (id),
      reason TEXT NOT NULL,
      opened INTEGER NOT NULL,
      due INTEGER,
      version INTEGER,
      spans BLOB NOT NULL,
      closed INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX incident_by_call ON incident (call);
    CREATE INDEX incident_open ON incident (call) WHERE closed IS NULL;
    CREATE INDEX incident_unannounced ON incident (since) WHERE since IS NOT NULL;

    CREATE TABLE excision (
      id BLOB NOT NULL PRIMARY KEY,
      since INTEGER,
      call BLOB NOT NULL REFERENCES call (id),
      recording BLOB NOT NULL,
      begun INTEGER NOT NULL,
      old_key_id BLOB NOT NULL,
      old_key_epoch INTEGER NOT NULL,
      key_id BLOB NOT NULL,
      wrapped_key BLOB NOT NULL,
      key_epoch INTEGER NOT NULL,
      details BLOB NOT NULL,
      details_generation INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX excision_by_call ON excision (call);
    CREATE INDEX excision_pending ON excision (since) WHERE since IS NOT NULL;

    CREATE TABLE excision_part (
      excision BLOB NOT NULL REFERENCES excision (id),
      id BLOB NOT NULL,
      generation INTEGER NOT NULL,
      blob TEXT,
      sealed BLOB,
      plaintext_length INTEGER NOT NULL,
      ciphertext_length INTEGER NOT NULL,
      digest BLOB NOT NULL,
      PRIMARY KEY (excision, id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX excision_part_by_blob ON excision_part (blob) WHERE blob IS NOT NULL;

    CREATE TABLE excised_key (
      key_id BLOB NOT NULL PRIMARY KEY,
      excision BLOB NOT NULL UNIQUE,
      call BLOB NOT NULL,
      key_epoch INTEGER NOT NULL,
      kek BLOB NOT NULL,
      excised INTEGER NOT NULL,
      blobs TEXT NOT NULL,
      erased INTEGER,
      is_proven INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX excised_key_waiting ON excised_key (key_id) WHERE erased IS NULL;
    """

  /// When calls went by the time that was judged, which no step of our clock moves; NULL of rows from
  /// before, and of purges without a plan.
  private static let judgedPurges: SQL = """
    ALTER TABLE purged_call ADD COLUMN judged INTEGER;
    DROP INDEX purged_call_by_time;
    CREATE INDEX purged_call_by_judged ON purged_call (coalesce(judged, purged), recording_count);
    """

  /// Some catalogs of versions 8 and 9 have the index: for a while the step to 6 made it.
  private static let openPlans: SQL = """
    CREATE INDEX IF NOT EXISTS purge_plan_open ON purge_plan (made, id)
      WHERE stage NOT IN ('done', 'void');
    """

  /// Counts in the order of their rows, which is that of calls: in the order of random ids each count
  /// of a page of calls lay on a page of the file of its own, to be written with the journal's next piece.
  private static let orderedCounts: SQL = """
    ALTER TABLE subject_count RENAME TO unordered_count;
    CREATE TABLE subject_count (
      subject BLOB NOT NULL UNIQUE,
      entries INTEGER NOT NULL
    ) STRICT;
    INSERT INTO subject_count (subject, entries)
      SELECT u.subject, u.entries FROM unordered_count u LEFT JOIN call c ON c.subject = u.subject
      GROUP BY u.subject ORDER BY min(c.rowid);
    DROP TABLE unordered_count;
    """

  /// Counts of 256 subjects in one row, ``CountBlock``: with a row each, those of a million calls were
  /// six thousand pages to write, and what the log writes meanwhile waited.
  private static let countsInBlocks: SQL = """
    ALTER TABLE subject_count RENAME TO single_count;
    CREATE TABLE subject_place (
      place INTEGER NOT NULL PRIMARY KEY CHECK (place > 0),
      subject BLOB NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE subject_count (
      block INTEGER NOT NULL PRIMARY KEY,
      entries TEXT NOT NULL CHECK (
        length(entries) % 256 = 0 AND length(entries) BETWEEN 256 AND 4096
        AND entries NOT GLOB '*[^0-9]*')
    ) STRICT;
    INSERT INTO subject_place (place, subject)
      SELECT row_number() OVER (ORDER BY rowid), subject FROM single_count;
    INSERT INTO subject_count (block, entries)
      WITH placed AS (
        SELECT row_number() OVER (ORDER BY rowid) AS place, entries FROM single_count
      ), sized AS (
        SELECT place, (place - 1) / 256 AS block, entries,
          max(length(entries)) OVER (PARTITION BY (place - 1) / 256) AS width
        FROM placed
      ), joined AS (
        SELECT place, block, width,
          group_concat(printf('%0*d', width, entries), '')
            OVER (PARTITION BY block ORDER BY place) AS digits
        FROM sized
      )
      SELECT block, digits || substr(hex(zeroblob(128 * width)), 1 + length(digits))
      FROM joined WHERE place % 256 = 0 OR place = (SELECT max(place) FROM subject_place);
    DROP TABLE single_count;
    """

  /// What is about to end, before its entry: a start finds the entry wherever `applied` is.
  private static let endings: SQL = """
    CREATE TABLE ending (
      id BLOB NOT NULL PRIMARY KEY,
      kind TEXT NOT NULL CHECK (kind IN ('unlinking', 'release')),
      since INTEGER NOT NULL,
      asked INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """

  /// Brings a file to the present version in one transaction.
  ///
  /// - Throws: ``DatabaseError/Code/damaged`` when the file is another program's or a later
  ///   version's: what we do not know we do not touch.
  static func prepare(_ connection: Connection) throws {
    let version = try connection.userVersion()
    let application =
      try connection.first("PRAGMA application_id") { (row) throws(DatabaseError) in
        try row.int(0)
      } ?? 0
    guard version <= steps.count, application == (version == 0 ? 0 : applicationID) else {
      throw DatabaseError(.damaged, during: "reading a catalog of an unknown kind or version")
    }
    guard version < steps.count else { return }
    try connection.transaction {
      for step in steps[version...] { try connection.execute(step) }
      try connection.execute("PRAGMA application_id=" + SQL(applicationID))
      try connection.setUserVersion(steps.count)
    }
  }
}
