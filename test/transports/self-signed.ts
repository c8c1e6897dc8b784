import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A key and a certificate for `localhost` that it signs itself. */
export interface SelfSigned {
  readonly key: string
  readonly cert: string
}

/** Makes a certificate that lives for a day, with OpenSSL's command since Node cannot; undefined, and a loud line, where there is none. */
export function selfSigned(): SelfSigned | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'blockferry-tls-'))
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const what = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1']
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    execFileSync('openssl', [...what, ...names, '-keyout', key, '-out', cert], { stdio: 'pipe' })
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
  } catch (error) {
    console.warn(`SKIPPED: everything with TLS, since openssl did not make a certificate: ${String(error)}`)
    return undefined
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
