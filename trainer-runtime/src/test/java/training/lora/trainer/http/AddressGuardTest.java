package training.lora.trainer.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

class AddressGuardTest {
    private static AddressGuard pod(String allowed) {
        return AddressGuard.of(Map.of("LORA_PVC_ROOT", "/pvc", "LORA_SOURCES_ALLOW", allowed)::get);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "127.0.0.1",
                "127.8.8.8",
                "0.0.0.0",
                "10.96.0.1",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.1.20",
                "169.254.169.254",
                "100.64.0.1",
                "100.100.100.200",
                "168.63.129.16",
                "192.0.0.192",
                "198.18.0.1",
                "224.0.0.1",
                "255.255.255.255",
                "2130706433",
                "::1",
                "::",
                "fe80::1",
                "fc00::1",
                "fd00:ec2::254",
                "ff02::1",
                "::ffff:10.0.0.1",
                "::10.0.0.1",
                "64:ff9b::a00:1",
                "2002:a00:1::1",
                "2001:db8::1"
            })
    void addressOfNoPublicHostIsClosedToAPod(String address) throws UnknownHostException {
        assertThatThrownBy(() -> pod("").resolve(address, 443))
                .isInstanceOf(RefusedAddressException.class)
                .hasMessageContaining("must not lead to a private address, but " + address + " is ");
        assertThat(AddressGuard.of(name -> null).resolve(address, 443)).isNotEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "18.154.1.1",
                "172.32.0.1",
                "100.63.255.255",
                "100.128.0.1",
                "2600:9000::1",
                "64:ff9b::1298:101",
                "169.253.1.1"
            })
    void publicAddressIsOpen(String address) throws UnknownHostException {
        assertThat(pod("").resolve(address, 443)).containsExactly(InetAddress.getByName(address));
    }

    @ParameterizedTest
    @CsvSource({
        "nas.lan, 443, nas.lan, true",
        "nas.lan, 443, NAS.lan:443, true",
        "nas.lan, 443, nas.lan:8443, false",
        "nas.lan, 443, *.lan, true",
        "a.nas.lan, 443, *.lan, true",
        "lan, 443, *.lan, false",
        "evil-lan, 443, *.lan, false",
        "nas.lan, 443, 10.0.0.0/8, true",
        "nas.lan, 443, 10.0.0.7, true",
        "nas.lan, 443, 10.0.0.8/32, false",
        "nas.lan, 443, '192.168.0.0/16 other.lan', false"
    })
    void allowListOpensHostsAndRanges(String host, int port, String allowed, boolean open) throws UnknownHostException {
        InetAddress address = InetAddress.getByName("10.0.0.7");
        AddressGuard guard = new AddressGuard(true, HostList.parse(allowed), name -> new InetAddress[] {address});

        if (open) {
            assertThat(guard.resolve(host, port)).containsExactly(address);
        } else {
            assertThatThrownBy(() -> guard.resolve(host, port)).isInstanceOf(RefusedAddressException.class);
        }
    }

    @Test
    void hostWithOnePrivateAddressAmongOthersIsClosed() throws UnknownHostException {
        InetAddress[] both = {InetAddress.getByName("18.154.1.1"), InetAddress.getByName("10.0.0.7")};

        assertThatThrownBy(() -> new AddressGuard(true, HostList.parse(""), name -> both).resolve("x.example", 443))
                .hasMessageContaining("x.example is 10.0.0.7");
    }

    @Test
    void nameIsResolvedOnceAndThatAddressIsConnectedTo() throws Exception {
        AtomicInteger asked = new AtomicInteger();
        try (java.net.ServerSocket server = new java.net.ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            int port = server.getLocalPort();
            // The second answer would lead elsewhere, as that of a name which is bound anew between check and
            // connection.
            AddressGuard guard = new AddressGuard(true, HostList.parse("rebound.example:" + port), name -> {
                int before = asked.getAndIncrement();
                return new InetAddress[] {InetAddress.getByName(before == 0 ? "127.0.0.1" : "127.0.0.2")};
            });
            Thread answer = new Thread(() -> {
                try (java.net.Socket socket = server.accept()) {
                    socket.getInputStream().read();
                    socket.getOutputStream().write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".getBytes());
                    socket.getOutputStream().flush();
                    socket.getInputStream().readNBytes(10);
                } catch (java.io.IOException e) {
                    throw new java.io.UncheckedIOException(e);
                }
            });
            answer.setDaemon(true);
            answer.start();
            try (Http http = new Http(name -> null, guard, () -> false);
                    Http.Answer got = http.get(URI.create("http://rebound.example:" + port + "/"), Map.of(), null)) {
                assertThat(got.status()).isEqualTo(200);
                assertThat(got.body().readAllBytes()).asString().isEqualTo("ok");
            }
            assertThat(asked).hasValue(1);
        }
    }

    @Test
    void podAsksUnencryptedOnlyWhereItsHostIsAllowed() throws RefusedAddressException {
        AddressGuard guard = pod("minio.lan:9000");
        guard.requireAllowed(URI.create("https://example.com/x"));
        guard.requireAllowed(URI.create("http://minio.lan:9000/x"));
        for (String url : List.of("http://example.com/x", "http://minio.lan/x")) {
            assertThatThrownBy(() -> guard.requireAllowed(URI.create(url)))
                    .hasMessageContaining("must be https://, or its host be one that the platform allows");
        }
    }

    @Test
    void whatThePlatformSetsIsAllowed() throws RefusedAddressException {
        AddressGuard guard = AddressGuard.of(Map.of(
                "LORA_PVC_ROOT",
                "/pvc",
                "HF_ENDPOINT",
                "http://mirror.lan:8080/hub",
                "HTTPS_PROXY",
                "proxy.lan:3128",
                "ALL_PROXY",
                "http://all.lan:3128",
                "all_proxy",
                "small.lan:3128")::get);

        guard.requireAllowed(URI.create("http://mirror.lan:8080/hub/api"));
        guard.requireAllowed(URI.create("http://proxy.lan:3128"));
        guard.requireAllowed(URI.create("http://all.lan:3128"));
        guard.requireAllowed(URI.create("http://small.lan:3128"));
    }

    @Test
    void allowListThatCantBeReadIsTold() {
        assertThatThrownBy(() -> pod("10.0.0.0/33"))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidConfiguration))
                .hasMessage(
                        "each entry of LORA_SOURCES_ALLOW and NO_PROXY must be a host, host:port, *.domain or CIDR, was 10.0.0.0/33");
    }
}
