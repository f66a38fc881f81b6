-- What the text of a row depends on, the same for whoever counts: the script that makes a backup, and the actions.
set datestyle = 'ISO, MDY'; set timezone = 'UTC'; set intervalstyle = 'postgres'; set extra_float_digits = 1;
set bytea_output = 'hex'; set lc_monetary = 'C'; set xmlbinary = 'base64'; set search_path = ''; set row_security = off;
