/** A URL as it is logged: without what lets whoever reads the log follow it. */
export const loggedUrl = (url: string): string => url.replace(/([?&]signature=)[^&#]*/g, '$1***')
