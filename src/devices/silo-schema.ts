/** The text of one plain device in Silo's configuration language, every attribute named, as its device groups expect it. */
export function siloSchema(device: { name: string; size: number; blockSize: number }): string {
  const rows: [string, string][] = [
    ['size', `"${device.size}"`],
    ['system', '"memory"'],
    ['blocksize', `"${device.blockSize}"`],
    ['expose', 'false'],
    ['location', '""'],
    ['sourcehashes', '""'],
    ['sourceshared', 'false'],
    ['loadbinlog', '""'],
    ['binlog', '""'],
    ['pid', '0'],
  ]
  const width = Math.max(...rows.map(([key]) => key.length))
  const lines = rows.map(([key, value]) => `  ${key.padEnd(width)} = ${value}`)
  return `device ${JSON.stringify(device.name)} {\n${lines.join('\n')}\n}\n`
}
