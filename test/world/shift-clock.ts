/** Preloaded into the program: its clock is BMCS_CLOCK_SHIFT_MS milliseconds ahead of that of the machine. */
const shiftMs = Number(process.env['BMCS_CLOCK_SHIFT_MS'] ?? 0);
const now = Date.now.bind(Date);
Date.now = () => now() + shiftMs;
export type ShiftClock = typeof shiftMs;
