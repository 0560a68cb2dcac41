import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { onTestFinished } from 'vitest'

const run = promisify(execFile)

/** A folder that goes with the test. */
export async function givenFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'aegis-secure-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** An authority of its own, and what it has signed: `server` for 127.0.0.1, `client` for a client. */
export async function givenCertificates(): Promise<(name: string) => string> {
  const folder = await givenFolder()
  const file = (name: string): string => join(folder, name)
  const openssl = (...words: string[]) => run('openssl', words, { cwd: folder })
  const key = (name: string) => ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', name]
  await openssl('req', '-x509', ...key('ca.key'), '-out', 'ca.pem', '-subj', '/CN=ca', '-days', '2')
  await writeFile(file('server.ext'), 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n')
  await writeFile(file('client.ext'), 'extendedKeyUsage=clientAuth\n')
  for (const name of ['server', 'client']) {
    await openssl('req', ...key(`${name}.key`), '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial']
    const files = ['-in', `${name}.csr`, '-out', `${name}.pem`, '-extfile', `${name}.ext`]
    await openssl('x509', '-req', ...by, ...files, '-days', '2')
  }
  return file
}
