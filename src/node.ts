/** What only Node has; everything else comes from the browser entry, `index.ts`, in Node too. */
export { FileStorage, type FileStorageOptions } from './sources/file.node.ts'
