import { describe, expect, it } from 'vitest'
import { errorCode } from '../../../src/errors/storage-error.ts'
import * as own from '../../../src/migration/journal/ownership.ts'

type Ownership = own.Ownership

const disk = { diskId: 'd'.repeat(32), size: 4096, blockSize: 512 }
const migration = { id: '1'.repeat(32), key: 'c'.repeat(32) }
const other = { id: '2'.repeat(32), key: 'e'.repeat(32) }
const root = '7'.repeat(32)

const fresh = own.ownDisk(disk)
const moving = own.begin(fresh, migration)
const receiving = own.receive(undefined, disk, 1, migration)
const prepared = own.prepare(receiving, { root })
const lacking = own.prepare(receiving, { missing: true })
const released = own.release(moving, { root })
const gone = own.acknowledge(released)
const arrived = own.commit(prepared)
const incomplete = own.commit(lacking)
const settling = own.complete(incomplete, { root })
const moved = own.begin(arrived, other)
const seized = own.takeOver(prepared)
const retaken = own.takeOver(released)

/** Every kind of record there is. */
const records: Readonly<Record<string, Ownership>> = {
  ...{ fresh, moving, receiving, prepared, lacking, released },
  ...{ gone, arrived, incomplete, settling, moved, seized, retaken },
}

/** What each step makes of each kind of record: the name of one that is equal, the state of another, or nothing where it is refused. */
const steps: Readonly<
  Record<string, { run: (record: Ownership) => Ownership; allowed: Readonly<Record<string, string>> }>
> = {
  begin: {
    run: (record) => own.begin(record, other),
    allowed: {
      ...{ fresh: 'owner', moving: 'owner', arrived: 'moved', moved: 'moved' },
      ...{ settling: 'owner', seized: 'owner', retaken: 'owner' },
    },
  },
  receive: {
    run: (record) => own.receive(record, disk, 9, other),
    allowed: { receiving: 'another receiving', released: 'another receiving', gone: 'another receiving' },
  },
  'receive again': {
    run: (record) => own.receive(record, disk, 1, migration),
    allowed: { receiving: 'receiving', prepared: 'prepared', lacking: 'lacking' },
  },
  prepare: {
    run: (record) => own.prepare(record, { root }),
    allowed: { receiving: 'prepared', prepared: 'prepared', lacking: 'prepared' },
  },
  release: {
    run: (record) => own.release(record, { root }),
    allowed: { moving: 'released', moved: 'another released', released: 'released' },
  },
  commit: {
    run: own.commit,
    allowed: {
      prepared: 'arrived',
      lacking: 'incomplete',
      arrived: 'arrived',
      incomplete: 'incomplete',
      settling: 'settling',
      seized: 'seized',
      retaken: 'retaken',
    },
  },
  complete: {
    run: (record) => own.complete(record, { root }),
    allowed: {
      ...{ fresh: 'fresh', moving: 'moving', arrived: 'arrived', moved: 'moved' },
      ...{ incomplete: 'settling', settling: 'settling', seized: 'seized', retaken: 'retaken' },
    },
  },
  settle: {
    run: own.settle,
    allowed: {
      ...Object.fromEntries(Object.keys(records).map((name) => [name, name])),
      settling: 'arrived',
    },
  },
  acknowledge: { run: own.acknowledge, allowed: { released: 'gone', gone: 'gone' } },
  cancel: {
    run: own.cancel,
    allowed: {
      ...{ fresh: 'fresh', moving: 'fresh', receiving: 'receiving', prepared: 'receiving', lacking: 'receiving' },
      ...{ arrived: 'arrived', incomplete: 'incomplete', moved: 'owner', seized: 'seized', retaken: 'retaken' },
      settling: 'settling',
    },
  },
  takeOver: {
    run: own.takeOver,
    allowed: {
      ...{ receiving: 'owner', prepared: 'seized', lacking: 'owner', incomplete: 'owner' },
      ...{ released: 'retaken', gone: 'retaken' },
    },
  },
}

describe('a step of a hand-over', () => {
  const cases = Object.entries(steps).flatMap(([step, { run, allowed }]) =>
    Object.entries(records).map(([name, record]) => ({ step, run, name, record, becomes: allowed[name] })),
  )
  it.each(cases)('$step after $name gives $becomes', ({ run, record, becomes }) => {
    const before = structuredClone(record)
    if (becomes === undefined) {
      let code: unknown
      try {
        run(record)
      } catch (error) {
        code = errorCode(error)
      }
      expect(code).toBe('NOT_OWNER')
    } else {
      const after = run(record)
      if (becomes in records) expect(after).toEqual(records[becomes])
      else expect(after.state).toBe(becomes.replace('another ', ''))
    }
    expect(record).toEqual(before)
  })

  it('leaves exactly one record in every state as the only one that may write', () => {
    for (const record of Object.values(records)) expect(own.mayWrite(record)).toBe(record.state === 'owner')
  })

  it('counts the epochs', () => {
    expect([fresh, arrived, seized, retaken].map(({ epoch }) => epoch)).toEqual([1, 2, 3, 3])
    expect(moved.migration?.nextEpoch).toBe(3)
  })

  it('records what was forced, and forgets it with the next regular hand-over', () => {
    expect([seized.forced, retaken.forced, arrived.forced]).toEqual([true, true, undefined])
    const onward = own.begin(seized, other)
    expect(onward.forced).toBe(true)
    const next = own.prepare(own.receive(undefined, disk, onward.epoch, other), {})
    expect(own.commit(next).forced).toBeUndefined()
    expect(own.release(onward).forced).toBeUndefined()
  })

  it('trusts no digest of a disk that was taken over while blocks were missing', () => {
    for (const record of [own.takeOver(lacking), own.takeOver(incomplete)])
      expect([record.missing, record.settling, record.forced]).toEqual([undefined, true, true])
    expect(own.takeOver(incomplete).epoch).toBe(incomplete.epoch)
    expect(own.reconcile(own.release(moving), own.takeOver(incomplete))).toBe('destination-owns')
  })

  it('gives back exactly the state before with a cancel', () => {
    expect(own.cancel(moving)).toEqual(fresh)
    expect(own.cancel(prepared)).toEqual(receiving)
  })

  it('takes no disk with an older epoch than the one that was given away here', () => {
    expect(() => own.receive(released, disk, 1, other)).toThrow()
    expect(own.receive(released, disk, 2, other).epoch).toBe(2)
    expect(own.receive(released, { ...disk, diskId: 'f'.repeat(32) }, 1, other).state).toBe('receiving')
  })
})

describe('reconcile', () => {
  /** Rows: the source's record; columns: the destination's. s = source-owns, c = send-commit, d = destination-owns, x = conflict. */
  const columns = ['none', ...Object.keys(records)]
  const table: Readonly<Record<string, string>> = {
    // none fresh moving receiving prepared lacking released gone arrived incomplete settling moved seized retaken
    fresh: '     s x x s s s x x x x x x x x',
    moving: '    s x x s s s x x x x x x x x',
    receiving: ' x d d x x x x x d d d d d d',
    prepared: '  x x x x x x x x d d d d d d',
    lacking: '   x x x x x x x x d d d d d d',
    released: '  x x x x c c x x d d d d d d',
    gone: '      x x x x x x x x d d d d d d',
    arrived: '   s x x s s s s s x x x x x x',
    incomplete: 's x x s s s s s x x x x x x',
    settling: '  s x x s s s s s x x x x x x',
    moved: '     s x x s s s s s x x x x x x',
    seized: '    s x x s s s s s x x x x x x',
    retaken: '   s x x s s s s s x x x x x x',
  }
  const verdicts: Record<string, own.Verdict> = {
    s: 'source-owns',
    c: 'send-commit',
    d: 'destination-owns',
    x: 'conflict',
  }
  const pairs = Object.entries(table).flatMap(([source, row]) => {
    const letters = row.trim().split(/\s+/)
    return columns.map((destination, index) => ({ source, destination, verdict: verdicts[letters[index]!]! }))
  })

  it('has a verdict for every pair of records', () => {
    expect(Object.keys(table)).toEqual(Object.keys(records))
    expect(pairs).toHaveLength(13 * 14)
  })

  it.each(pairs)('$source and $destination: $verdict', ({ source, destination, verdict }) => {
    expect(own.reconcile(records[source]!, records[destination])).toBe(verdict)
  })

  it('never lets two owners go on, and never lets one go on that does not own', () => {
    for (const { source, destination, verdict } of pairs) {
      const [a, b] = [records[source]!, records[destination]]
      if (verdict === 'source-owns') expect([a.state, b?.state === 'owner']).toEqual(['owner', false])
      if (verdict === 'destination-owns') expect([a.state === 'owner', b?.state]).toEqual([false, 'owner'])
      if (verdict === 'send-commit') expect([a.state, b?.state]).toEqual(['released', 'prepared'])
    }
  })

  it('takes another disk for none, and another size for a conflict', () => {
    expect(own.reconcile(fresh, { ...arrived, diskId: 'f'.repeat(32) })).toBe('source-owns')
    expect(own.reconcile(released, { ...arrived, diskId: 'f'.repeat(32) })).toBe('conflict')
    expect(own.reconcile(fresh, { ...receiving, size: 8192 })).toBe('conflict')
  })

  it('remembers how a disk came while its owner begins others, and gives it on', () => {
    const came = own.commit(own.prepare(receiving, {}))
    const second = { id: '2'.repeat(32), key: 'd'.repeat(32) }
    const third = { id: '3'.repeat(32), key: 'e'.repeat(32) }
    const origin = { ...migration, nextEpoch: 2 }
    const moving = own.begin(came, second)
    for (const record of [moving, own.begin(moving, third), own.cancel(moving), own.begin(own.cancel(moving), third)]) {
      expect(record.origin).toEqual(origin)
    }
    const given = own.acknowledge(own.release(moving))
    expect(given.origin).toEqual(origin)
    const back = own.receive(given, disk, 3, third)
    expect(back.origin).toEqual(origin)
    // Now it came another way.
    expect(own.begin(own.commit(own.prepare(back, {})), second).origin).toEqual({ ...third, nextEpoch: 4 })
    expect(own.receive(given, { ...disk, diskId: '9'.repeat(32) }, 3, third).origin).toBeUndefined()
    expect(own.begin(own.ownDisk(disk), migration).origin).toBeUndefined()
  })

  it('says the word only within one migration', () => {
    expect(own.reconcile(released, own.prepare(own.receive(undefined, disk, 1, other), {}))).toBe('conflict')
  })
})

describe('two sides and a line that loses, repeats and delays', () => {
  /** A message, the record it was sent with, and whom it is for. */
  type Message = 'begin' | 'prepare' | 'prepared' | 'commit' | 'committed' | 'cancel'
  interface World {
    readonly source: Ownership
    readonly destination: Ownership | undefined
    /** Every message ever sent: any of them may still arrive, again too. */
    readonly sent: readonly Message[]
  }

  const tried = (work: () => World): World[] => {
    try {
      return [work()]
    } catch (error) {
      if (errorCode(error) !== 'NOT_OWNER') throw error
      return []
    }
  }
  const say = (world: World, message: Message): readonly Message[] => [...new Set([...world.sent, message])].sort()

  /**
   * Everything that may happen next: a side acts, any message arrives, the connection is lost. A crash changes nothing, since all of this is what
   * is stored. The one rule is the wire's: who cancels waits for the answer, or for the end of the connection, before preparing again.
   */
  function next(world: World, waitsForCancel: boolean): World[] {
    const { source, destination, sent } = world
    const hears = (message: Message) => sent.includes(message)
    const mayPrepare = source.state === 'owner' && source.migration && !(waitsForCancel && hears('cancel'))
    const there = (work: (record: Ownership) => Ownership, ...rest: [] | [readonly Message[]]) =>
      destination ? tried(() => ({ ...world, destination: work(destination), sent: rest[0] ?? sent })) : []
    return [
      { ...world, sent: [] },
      ...tried(() => ({ ...world, source: own.begin(source, migration), sent: say(world, 'begin') })),
      ...(mayPrepare ? [{ ...world, sent: say(world, 'prepare') }] : []),
      ...(hears('prepared') ? tried(() => ({ ...world, source: own.release(source) })) : []),
      // What was answered before does not count any more for the one who cancels.
      ...tried(() => ({
        ...world,
        source: own.cancel(source),
        sent: waitsForCancel ? ['cancel'] : [...sent.filter((message) => message === 'prepare'), 'cancel'],
      })),
      ...(source.state === 'released' ? [{ ...world, sent: say(world, 'commit') }] : []),
      ...(hears('begin') ? tried(() => ({ ...world, destination: own.receive(destination, disk, 1, migration) })) : []),
      ...(hears('prepare') ? there((record) => own.prepare(record, {}), say(world, 'prepared')) : []),
      ...(hears('cancel') ? there(own.cancel, []) : []),
      ...(hears('commit') ? there(own.commit, say(world, 'committed')) : []),
      ...(hears('committed') ? tried(() => ({ ...world, source: own.acknowledge(source) })) : []),
    ]
  }

  /** Every world that can come about. */
  function reachable(waitsForCancel: boolean): World[] {
    const seen = new Map<string, World>()
    const waiting: World[] = [{ source: fresh, destination: undefined, sent: [] }]
    for (let world = waiting.pop(); world; world = waiting.pop()) {
      const key = JSON.stringify(world)
      if (seen.has(key)) continue
      seen.set(key, world)
      waiting.push(...next(world, waitsForCancel))
    }
    return [...seen.values()]
  }
  const isStuck = ({ source, destination }: World) => own.reconcile(source, destination) === 'conflict'

  it('are never both owner, and can always be reconciled, in whatever order things happen', () => {
    const worlds = reachable(true)
    expect(worlds.filter(({ source, destination }) => own.mayWrite(source) && destination?.state === 'owner')).toEqual(
      [],
    )
    expect(worlds.filter(isStuck)).toEqual([])
    expect(worlds.some(({ source, destination }) => source.state === 'gone' && destination?.state === 'owner')).toBe(
      true,
    )
    expect(worlds).toHaveLength(38)
  })

  it('would be stuck if the source prepared again before its cancel was answered', () => {
    expect(reachable(false).some(isStuck)).toBe(true)
  })

  it('find each other out when one was taken over by force', () => {
    expect(own.reconcile(moving, own.takeOver(prepared))).toBe('conflict')
    expect(own.reconcile(moving, own.takeOver(receiving))).toBe('conflict')
    expect(own.reconcile(own.takeOver(released), arrived)).toBe('conflict')
    expect(own.reconcile(own.takeOver(gone), arrived)).toBe('conflict')
    expect(own.reconcile(own.takeOver(released), prepared)).toBe('source-owns')
    expect(own.reconcile(released, own.takeOver(prepared))).toBe('destination-owns')
  })

  it('move a disk there and back again', () => {
    const back = own.receive(gone, disk, moved.epoch, other)
    expect(own.reconcile(moved, gone)).toBe('source-owns')
    expect(own.reconcile(moved, released)).toBe('source-owns')
    const home = own.commit(own.prepare(back, {}))
    expect(home).toMatchObject({ state: 'owner', epoch: 3 })
    expect(own.reconcile(own.release(moved), home)).toBe('destination-owns')
  })
})
