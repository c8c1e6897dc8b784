import { describe, expect, it } from 'vitest'
import { nbdUri, parseNbdAddress } from '../../src/cli/nbd-address.ts'
import { isLoopback, isPeerAddress, parsePeerAddress, peerText } from '../../src/cli/peer-address.ts'

describe('the address of a peer', () => {
  it.each([
    ['tcp://127.0.0.1:7000', { scheme: 'tcp', host: '127.0.0.1', port: 7000, path: '/' }],
    ['tls://host.example:1', { scheme: 'tls', host: 'host.example', port: 1, path: '/' }],
    ['tcp://[::1]:65535/', { scheme: 'tcp', host: '::1', port: 65535, path: '/' }],
    ['ws://localhost:0', { scheme: 'ws', host: 'localhost', port: 0, path: '/' }],
    ['ws://localhost', { scheme: 'ws', host: 'localhost', port: 80, path: '/' }],
    ['wss://example.org/disks/a', { scheme: 'wss', host: 'example.org', port: 443, path: '/disks/a' }],
  ])('%s is read', (text, expected) => {
    const address = parsePeerAddress(text)
    expect(address).toMatchObject(expected)
    expect(parsePeerAddress(peerText(address))).toEqual(address)
  })

  it.each([
    '',
    'disk.img',
    'tcp://',
    'tcp://host',
    'tcp://host:70000',
    'tcp://host:1/path',
    'http://host:1',
    'tcp://user:word@host:1',
    'ws://host:1/?secret=x',
    'ws://host:1/#secret',
  ])('%j is refused', (text) => {
    expect(() => parsePeerAddress(text)).toThrow(RangeError)
  })

  it('is told apart from a path', () => {
    expect(['tcp://a:1', 'WSS://a'].map(isPeerAddress)).toEqual([true, true])
    expect(['tcp', './tcp://a', 'memory:', 'a/b'].map(isPeerAddress)).toEqual([false, false, false, false])
  })

  it('is loopback only for names and addresses that never leave the machine', () => {
    expect(['localhost', '127.0.0.1', '127.9.9.9', '::1'].map(isLoopback)).toEqual([true, true, true, true])
    expect(['0.0.0.0', '::', '127.example.org', '192.0.2.7'].map(isLoopback)).toEqual([false, false, false, false])
  })
})

describe('the address of NBD clients', () => {
  it.each([
    ['unix:/run/a b.sock', { unix: '/run/a b.sock' }, 'nbd+unix:///d%2F?socket=/run/a%20b.sock'],
    ['tcp:127.0.0.1:0', { host: '127.0.0.1', port: 0 }, 'nbd://127.0.0.1:0/d%2F'],
    ['tcp:localhost', { host: 'localhost', port: 10809 }, 'nbd://localhost:10809/d%2F'],
    ['tcp:[::1]:9', { host: '::1', port: 9 }, 'nbd://[::1]:9/d%2F'],
  ])('%s is read', (text, expected, uri) => {
    expect(parseNbdAddress(text)).toEqual(expected)
    expect(nbdUri(expected, 'd/')).toBe(uri)
  })

  it.each(['', 'unix:', '/run/sock', 'tcp:', 'tcp:host:70000', 'tcp:a:b:c', 'udp:host:1'])('%j is refused', (text) => {
    expect(() => parseNbdAddress(text)).toThrow(RangeError)
  })
})
