package training.lora.trainer.http;

import java.net.InetAddress;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * Hosts, as LORA_SOURCES_ALLOW and NO_PROXY name them: HOST, HOST:PORT, *.DOMAIN or .DOMAIN, an address or a range of them,
 * and * for all.
 */
final class HostList {
    private final List<String> names;
    private final List<AddressRange> ranges;

    private HostList(List<String> names, List<AddressRange> ranges) {
        this.names = names;
        this.ranges = ranges;
    }

    /** Entries with commas or spaces between them. */
    static HostList parse(@Nullable String text) {
        List<String> names = new ArrayList<>();
        List<AddressRange> ranges = new ArrayList<>();
        for (String entry : text == null ? new String[0] : text.split("[,\\s]+")) {
            if (entry.isEmpty()) {
                continue;
            }
            if (entry.matches("[0-9.]+(/\\d+)?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(/\\d+)?")) {
                try {
                    ranges.add(AddressRange.of(entry));
                } catch (IllegalArgumentException e) {
                    throw new TrainerException(
                            Reason.InvalidConfiguration,
                            "each entry of LORA_SOURCES_ALLOW and NO_PROXY must be a host, host:port, *.domain or CIDR, was "
                                    + entry,
                            e);
                }
            } else {
                names.add(entry.toLowerCase(Locale.ROOT));
            }
        }
        return new HostList(names, ranges);
    }

    /** The same, where a host stands for all below it too, as in NO_PROXY. */
    HostList withSubdomains() {
        List<String> more = new ArrayList<>(names);
        names.stream().filter(name -> name.matches("[^.*].*")).forEach(name -> more.add("." + name));
        return new HostList(more, ranges);
    }

    /** The same, and the host and port of {@code url}. */
    HostList with(String url) {
        URI uri;
        try {
            uri = URI.create(url.contains("://") ? url : "http://" + url);
        } catch (IllegalArgumentException e) {
            return this;
        }
        if (uri.getHost() == null) {
            return this;
        }
        List<String> more = new ArrayList<>(names);
        more.add(uri.getHost().toLowerCase(Locale.ROOT) + ":" + AddressGuard.port(uri));
        return new HostList(more, ranges);
    }

    /** Whether a host is named, or a range has the address that stands in the place of its name. */
    boolean has(String host, int port) {
        String name = host.toLowerCase(Locale.ROOT);
        for (String entry : names) {
            String domain = entry.startsWith("*.") ? entry.substring(1) : entry;
            if (entry.equals("*")
                    || entry.equals(name)
                    || entry.equals(name + ":" + port)
                    || domain.startsWith(".") && (name.endsWith(domain) || (name + ":" + port).endsWith(domain))) {
                return true;
            }
        }
        return false;
    }

    boolean has(InetAddress address) {
        return ranges.stream().anyMatch(range -> range.has(address));
    }
}
