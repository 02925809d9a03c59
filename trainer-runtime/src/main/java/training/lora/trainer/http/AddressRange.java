package training.lora.trainer.http;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Arrays;
import java.util.List;

/**
 * Addresses with the same first bits.
 *
 * @param start the lowest
 * @param bits how many are the same
 */
record AddressRange(InetAddress start, int bits) {
    /** A range in CIDR's form; an address alone is a range of itself. */
    static AddressRange of(String cidr) {
        int slash = cidr.indexOf('/');
        String address = slash < 0 ? cidr : cidr.substring(0, slash);
        if (!address.matches("[0-9.]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")) {
            throw new IllegalArgumentException(cidr + " is no range of addresses");
        }
        try {
            InetAddress start = InetAddress.getByName(address);
            int most = start.getAddress().length * Byte.SIZE;
            int bits = slash < 0 ? most : Integer.parseInt(cidr.substring(slash + 1));
            if (bits < 0 || bits > most) {
                throw new IllegalArgumentException(cidr + " is no range of addresses");
            }
            return new AddressRange(start, bits);
        } catch (UnknownHostException | NumberFormatException e) {
            throw new IllegalArgumentException(cidr + " is no range of addresses", e);
        }
    }

    static List<AddressRange> all(String... cidrs) {
        return Arrays.stream(cidrs).map(AddressRange::of).toList();
    }

    boolean has(InetAddress address) {
        byte[] mine = start.getAddress();
        byte[] other = address.getAddress();
        if (mine.length != other.length) {
            return false;
        }
        for (int bit = 0; bit < bits; bit++) {
            int mask = 0x80 >> bit % Byte.SIZE;
            if ((mine[bit / Byte.SIZE] & mask) != (other[bit / Byte.SIZE] & mask)) {
                return false;
            }
        }
        return true;
    }
}
