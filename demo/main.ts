import { mountDatabase } from './database/database.ts'
import { mountLinux } from './linux/linux.ts'
import { mountMover } from './mover/mover.ts'
import { mountSimulator } from './simulator/simulator.ts'
import { mountTravel } from './travel/travel.ts'

/** Each section of the page by the id of its element. A section owns everything inside it and nothing else. */
const SECTIONS: Readonly<Record<string, (section: HTMLElement) => void>> = {
  linux: mountLinux,
  database: mountDatabase,
  mover: mountMover,
  travel: mountTravel,
  simulator: mountSimulator,
}

for (const [id, mount] of Object.entries(SECTIONS)) {
  const section = document.getElementById(id)
  if (section) mount(section)
}
