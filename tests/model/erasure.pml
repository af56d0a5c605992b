/* Erase, withdraw, back up, restore, rotate and release, as they interleave and are killed: checked exhaustively.

   One conversation of one account in one bucket. A step is what one transaction commits, one file is fsynced, or one
   key is destroyed in the provider. A person, the sweeper, a rotation, backups, restores, a build and a reader run at
   once; each may be killed between two of its steps, KILLS times in all. What holds in every state:

     told       what a person was told is deleted is not read, and what they were told is withdrawn is not leased
     sealed     a release holds nothing that was withdrawn or deleted, and told so, before it was sealed
     lives      the epoch that wraps the bucket of today's database is not destroyed
     gone       of what was certified no copy opens, nor all together, once the epochs of its erasure's day are destroyed
     ends       where nobody has anything left to do, what was told is deleted has neither key nor row

   A lease that was given lasts its seconds, and a copy of the keys made elsewhere is outside. Each of the switches takes
   one step out or puts it elsewhere, and must be found (tests/model/test_spin.py):

     NO_REPLAY       a restore does not apply the restriction journal
     NO_FENCE        the database serves while it is being restored
     TOLD_FIRST      the person is told before the journal is fsynced
     LIFE_LAST       a restore writes its new life into the journal when it ends, so that who was slow is not refused
     CHECKED_BEFORE  a restore looks for its backup's keys before its fence stands
     UNKEPT          an erasure is certified that a crash kept out of the journal
     NO_REKEY        a rotation wraps anew and gives no new keys
     NO_WINDOW       an epoch is destroyed while today's database is under it still
     NO_RECHECK      a build seals what it has read, whatever ended since                                             */

#ifndef KILLS
#define KILLS 1
#endif
#ifndef COPIES
#define COPIES 1
#endif
#ifndef RESTORES
#define RESTORES 1
#endif
#define EPOCHS 3
#define BACKUPS 2
#define HERE BACKUPS            /* `licet restore --here`: the database as it lies */

typedef Db {                    /* what a transaction commits and a backup copies */
    byte deleted, withdrawn;    /* the account's number under which, or 0 */
    bit key, body, spent;       /* the segment's key, its sealed row, the mark that asks for new keys */
    byte epoch, target;         /* what wraps the bucket; the rotation under way, or 0 */
    byte generation;            /* which account key wraps the segment's */
    byte life, seq;
};
typedef Record { bit there; byte life, seq; };

Db db;
Db backup[BACKUPS];
byte taken;                     /* how many backups there are */
Record said_deleted, said_withdrawn;    /* the restriction journal: the newest record of each kind */
byte journal_life;                      /* and the newest life it tells of */
bit fence;
byte newest = 1;                /* epoch in the provider */
byte dead;                      /* epochs up to this one are destroyed there, oldest first */
byte fresh = 1;                 /* account key generation */
byte under;                     /* the newest epoch when the key was destroyed */
bit told_deleted, told_withdrawn, certified;
byte kills;

#define readable (!fence && db.key && !db.deleted)
#define usable (readable && !db.withdrawn)
#define lacks(record, life_, seq_) (record.there && (record.life > life_ || (record.life == life_ && record.seq > seq_)))
#define opened (!fence && !lacks(said_deleted, db.life, db.seq) && !lacks(said_withdrawn, db.life, db.seq))

inline copy(to, from) {
    to.deleted = from.deleted; to.withdrawn = from.withdrawn; to.key = from.key; to.body = from.body; to.spent = from.spent;
    to.epoch = from.epoch; to.target = from.target; to.generation = from.generation; to.life = from.life; to.seq = from.seq
}

#define opens(copy, old) (copy.epoch > dead && copy.generation == old.generation)

inline gone(old) {              /* with the account key of any copy that opens still */
    assert(!(certified && under && under <= dead && old.key && (opens(db, old) || (taken > 0 && opens(backup[0], old)) || (taken > 1 && opens(backup[1], old)))))
}

inline check() {
    assert(db.epoch > dead);
    gone(db);
    if :: taken > 0 -> gone(backup[0]) :: else fi;
    if :: taken > 1 -> gone(backup[1]) :: else fi
}

/* The database commits, the journal is fsynced, the person is told. */
inline take_back(field, record, told) {
    do
    :: told -> break
    :: !told ->
        atomic {
            opened -> db.seq++; life = db.life; seq = db.seq;
            if :: field == 0 -> field = seq :: else fi
        };
#ifdef TOLD_FIRST
        told = 1;
#endif
        if
        :: atomic { kills < KILLS -> kills++ }
        :: atomic {
#ifndef LIFE_LAST
               life < journal_life -> skip       /* a restore has begun since: refused, to be made again */
           }
        :: atomic { life >= journal_life ->
#else
               true ->
#endif
               record.there = 1; record.life = life; record.seq = seq; told = 1 }
        fi
    od
}

proctype Deletes() { byte life, seq; take_back(db.deleted, said_deleted, told_deleted) }
proctype Withdraws() { byte life, seq; take_back(db.withdrawn, said_withdrawn, told_withdrawn) }

/* The next opening keeps what a crash committed and did not keep. */
proctype Opens() {
end:
    do
    :: d_step { opened && db.deleted && !said_deleted.there ->
           said_deleted.there = 1; said_deleted.life = db.life; said_deleted.seq = db.deleted }
    :: d_step { opened && db.withdrawn && !said_withdrawn.there ->
           said_withdrawn.there = 1; said_withdrawn.life = db.life; said_withdrawn.seq = db.withdrawn }
    od
}

#ifdef UNKEPT
#define kept true
#else
#define kept said_deleted.there     /* before it certifies it keeps what a crash did not, as an opening does */
#endif

proctype Sweeps() {
end:
    do
    :: d_step { !fence && db.deleted && db.key -> db.key = 0; db.spent = 1; under = newest; check() }
    :: d_step { !fence && db.deleted && !db.key && db.body -> db.body = 0 }
    :: d_step { !fence && db.deleted && !db.key && !db.body && !certified && kept -> certified = 1; told_deleted = 1; check() }
    od
}

#ifdef NO_WINDOW
#define WINDOW (db.epoch + 1)
#else
#define WINDOW db.epoch
#endif
#ifdef CHECKED_BEFORE
#define may_destroy true
#else
#define may_destroy !fence
#endif

proctype Rotates() {
end:
    do
    :: d_step { !fence && !db.target && newest < EPOCHS -> newest++; db.target = newest }
    :: d_step { !fence && db.target > db.epoch ->
           db.epoch = db.target;
           if
           :: db.spent ->
#ifndef NO_REKEY
               fresh++; db.generation = fresh;
#endif
               db.spent = 0
           :: else
           fi;
           check() }
    :: d_step { !fence && db.target && db.target == db.epoch -> db.target = 0 }
    :: d_step { may_destroy && !db.target && dead + 1 < WINDOW -> dead++; check() }   /* whenever its window is over */
    od
}

/* A dump is one snapshot; nothing keeps it from being of the middle of a restore. */
proctype BacksUp() {
end:
    do
    :: d_step { taken < COPIES -> copy(backup[taken], db); taken++ }
    od
}

#define may_end if :: atomic { kills < KILLS -> kills++; goto end_again } :: skip fi

proctype Restores() {
    byte done, which, life;
    bit deletes, withdraws;
end:
    do
    :: done < RESTORES ->
end_again:
        atomic {
            if
            :: taken > 0 && backup[0].epoch > dead -> which = 0
            :: taken > 1 && backup[1].epoch > dead -> which = 1
            :: fence -> which = HERE
            fi;
#ifdef CHECKED_BEFORE
        };
        atomic {
#endif
#ifndef NO_FENCE
            fence = 1
#endif
        };
        may_end;
        d_step {
            if :: which == 0 -> copy(db, backup[0]) :: which == 1 -> copy(db, backup[1]) :: else fi;
            if :: db.key -> under = 0 :: else fi;   /* it is back, unusable, to be erased anew */
            check()
        };
        may_end;
        d_step {
            life = (db.life > journal_life -> db.life : journal_life) + 1;
#ifndef LIFE_LAST
            journal_life = life
#endif
        };
        may_end;
        d_step {                /* reads the journal */
            deletes = lacks(said_deleted, db.life, db.seq); withdraws = lacks(said_withdrawn, db.life, db.seq)
        };
        d_step {                /* and commits what it lacked, in one transaction */
#ifndef NO_REPLAY
            if :: deletes && !db.deleted -> db.seq++; db.deleted = db.seq :: else fi;
            if :: withdraws && !db.withdrawn -> db.seq++; db.withdrawn = db.seq :: else fi;
#endif
            db.life = life; check(); deletes = 0; withdraws = 0
        };
        may_end;
        d_step { journal_life = life; fence = 0; which = 0; life = 0; done++ }
    od
}

/* What a build has read counts for nothing: it seals, under the lock that every ending holds, what may be used then. */
proctype Builds() {
end:
    do
#ifdef NO_RECHECK
    :: atomic { usable -> skip };
end_seal:
       atomic { !fence && db.key -> assert(!told_deleted && !told_withdrawn) }
#else
    :: d_step { usable -> assert(!told_deleted && !told_withdrawn) }
#endif
    od
}

proctype Reads() {
end:
    do
    :: d_step { readable -> assert(!told_deleted) }
    :: d_step { usable -> assert(!told_withdrawn) }
    :: atomic { timeout -> assert(fence || !told_deleted || (!db.key && !db.body)) ; break }
    od
}

init {
    atomic {
        db.key = 1; db.body = 1; db.epoch = 1; db.generation = 1;
#ifdef WITHDRAWS
        run Withdraws();
#else
        run Deletes(); run Sweeps(); run Rotates();
#endif
        run Opens(); run BacksUp(); run Restores(); run Builds(); run Reads()
    }
}
