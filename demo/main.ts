import { mountMover } from './mover/mover.ts'

/** Each section of the page by the id of its element. A section owns everything inside it and nothing else. */
const SECTIONS: Readonly<Record<string, (section: HTMLElement) => void>> = {
  mover: mountMover,
}

for (const [id, mount] of Object.entries(SECTIONS)) {
  const section = document.getElementById(id)
  if (section) mount(section)
}
