/** Where the configuration is unless `--config` says otherwise. */
export const defaultConfig = '/etc/bm-confsync/config.yml';
