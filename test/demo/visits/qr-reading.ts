import type { Page } from 'playwright'
import decodeQR from 'qr/decode.js'

/** What a camera in front of the screen would read from the QR code that the page shows. */
export async function readQr(page: Page): Promise<string> {
  const screenshot = await page.getByRole('img', { name: 'QR code of the link' }).screenshot()
  const pixels = await page.evaluate(async (png) => {
    const image = new Image()
    image.src = `data:image/png;base64,${png}`
    await image.decode()
    const context = new OffscreenCanvas(image.width, image.height).getContext('2d')!
    context.drawImage(image, 0, 0)
    const { width, height, data } = context.getImageData(0, 0, image.width, image.height)
    return { width, height, data: [...data] }
  }, screenshot.toString('base64'))
  return decodeQR({ ...pixels, data: Uint8Array.from(pixels.data) })
}
