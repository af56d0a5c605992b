/*
 * Orders of a small shop. Asked by {EMAIL}, see {URL}.
 */
package se.kontor.orders;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import static java.util.stream.Collectors.groupingBy;

/**
 * Reads, bills and sends. Its author is Mara Lindqvist &lt;{EMAIL}&gt;, {PHONE}.
 *
 * @author Mara Lindqvist
 * @see <a href="mailto:{EMAIL}">Mara's mail</a>
 */
@SuppressWarnings({"unchecked", "ask {EMAIL}"})
public sealed class Orders<T extends Comparable<? super T>> implements AutoCloseable permits Orders.Late {
    private static final String SUPPORT = "Write to {EMAIL} or call {PHONE}, 'anytime'";
    private static final String GREETING = "Hello, \"Mara Lindqvist\"!\n\tYour host is {HOST_IP}\u0041";
    private static final char QUOTE = '"', APOSTROPHE = '\'', SLASH = '\\', TAB = '\t', UNICODE = '\u0022' + 0;
    private static final byte[] TOKEN = "{TOKEN}".getBytes();
    private static final long CARD = 4556737586899855L, MASK = 0xFF_00L, BITS = 0b1010, OLD = 017;
    private static final double RATE = 1.19e0, HALF = .5d;
    private static final String BODY = """
        {
          "mail": "{EMAIL}",
          "iban": "{IBAN}",
          "said": "it's \"quoted\" \\d+ by Mara Lindqvist",
          "triple": \"""
        }
        """;
    private static final String HOME = "C:\\Users\\mlindqvist\\" + "{HOME}"; // on Mara Lindqvist's machine, {MAC}

    /** One order. Its number is no {SSN}. */
    public record Order(long id, String customer, double total) implements Comparable<Order> {
        public Order {
            if (customer.isBlank() || customer.charAt(0) == '"') {
                throw new IllegalArgumentException("nobody: tell {EMAIL}, it's " + 'x' + "Mara Lindqvist");
            }
        }

        @Override
        public int compareTo(Order other) {
            return Double.compare(total, other.total);
        }
    }

    public static final class Late extends Orders<String> {
    }

    private final Map<String, List<Order>> orders = new java.util.HashMap<>();
    private final Function<? super String, Optional<Order>> find = name -> Optional.ofNullable(orders.get(name))
        .filter(found -> !found.isEmpty()).map(List::getFirst);

    /* Lines of `name;total`: {EMAIL};12.5 is one. // no comment in it: {IBAN} */
    public void read(Iterable<String> lines) {
        int number = 0;
        next:
        for (String line : lines) {
            if (line.startsWith("#") || line.isEmpty()) {
                continue next;
            }
            String[] parts = line.split("[;,]\\s*");
            if (parts.length < 2 || "Mara Lindqvist".equals(parts[0]) && parts[1].indexOf('\'') >= 0) {
                break;
            }
            orders.computeIfAbsent(parts[0], key -> new ArrayList<>())
                .add(new Order(number++ << 8 | 0xFF, parts[0], Double.parseDouble(parts[1]) * RATE));
        }
    }

    public String notify(String who) {
        var url = "https://mail.kontor.se/send?to=%s&from={EMAIL}&key={TOKEN}".formatted(who);
        var door = "{URL}"; // {KEY} opens it
        System.out.printf("%s %s %d%n", url, door, orders.getOrDefault(who, List.of()).size());
        return url + "&user={USER}" + (who == null ? "" : who.length() > 3 ? "Mara" : "{HOST_IP}");
    }

    public Object told(Object what) {
        return switch (what) {
            case Order(long id, String customer, var total) when total > 3 -> customer + " of {EMAIL}";
            case String said -> "\"" + said + "\" by Mara Lindqvist";
            case null -> 'n';
            default -> orders.values().stream().flatMap(List::stream).collect(groupingBy(Order::customer));
        };
    }

    public static <K, V extends List<? extends K>> Map<K, V> sorted(Map<K, V> given) {
        return (given.size() < 2) ? given : new java.util.TreeMap<K, V>(given);
    }

    @Override
    public void close() { // ask {PHONE}
    }
}
