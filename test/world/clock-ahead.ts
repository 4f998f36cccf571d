/** Preloaded by a test: this process believes that it is an hour later than it is. */
const real = Date.now;
Date.now = () => real() + 3_600_000;
