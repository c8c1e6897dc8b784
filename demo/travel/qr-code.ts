import qrcode from 'qrcode-generator'

/** Light cells around the code, as its standard asks for. */
const QUIET = 4

/** Draws a text as a QR code, dark on light in either colour scheme since not every camera reads the reverse. */
export function qrCode(text: string, label: string): SVGSVGElement {
  const code = qrcode(0, 'M')
  code.addData(text, 'Byte')
  code.make()
  const count = code.getModuleCount()
  let path = ''
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < count; column++) {
      if (code.isDark(row, column)) path += `M${column + QUIET} ${row + QUIET}h1v1h-1z`
    }
  }
  const side = count + 2 * QUIET
  const svg = svgElement('svg', { viewBox: `0 0 ${side} ${side}`, role: 'img', 'aria-label': label, class: 'qr' })
  svg.append(
    svgElement('path', { d: `M0 0h${side}v${side}h-${side}z`, fill: '#fff' }),
    svgElement('path', { d: path, fill: '#000', 'shape-rendering': 'crispEdges' }),
  )
  return svg
}

function svgElement<Name extends 'svg' | 'path'>(name: Name, attributes: Readonly<Record<string, string>>) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  return element
}
