//! The sentences of BookKeeper's planner that no other one says: looked at after the others. Where two forms fit
//! one sentence, the more special one stands first.

/// As in the table of all others.
pub(super) const TABLE: &[(&str, &str)] = &[
    // Titles of steps.
    ("wait until all see {} writable", "等待所有成员看到 {1} 可写"),
    // Reasons.
    (
        "as a member that is there has it, with this host's own address, ports and directories",
        "沿用现有成员的配置，地址、端口和目录为本主机自己的",
    ),
    (
        "it registers itself with a new cookie and takes new ledgers from then on",
        "它以新的 cookie 自行注册，此后接收新账本",
    ),
    (
        "a start that went well is no proof: a bookie is a member when those who were there say so",
        "启动成功不算证明：原有成员都看到它，才算成员",
    ),
    (
        "every bookie runs and is writable for all who are asked, and none is missing",
        "每个 bookie 都在运行，在所有被询问者看来可写，没有缺失的 bookie",
    ),
    // What acts do.
    ("claim directories, ports and the service", "登记目录、端口和服务"),
    ("make directories, bookie.conf and the service", "建立目录、bookie.conf 和服务"),
    ("remove bookie.conf and the service", "删除 bookie.conf 和服务"),
    ("start and enable the bookie", "启动 bookie 并设为开机自启"),
    ("stop and disable the bookie", "停止 bookie 并取消开机自启"),
    ("switch autorecovery on", "开启自动恢复"),
    ("switch autorecovery off", "关闭自动恢复"),
    ("empty the bookie's directories", "清空 bookie 的目录"),
    ("take {} out of /bookies in ZooKeeper", "从 ZooKeeper 的 /bookies 中移除 {1}"),
    (
        "put {} into rack {} in /bookies in ZooKeeper",
        "在 ZooKeeper 的 /bookies 中把 {1} 放入机架 {2}",
    ),
    // Notes.
    (
        "{} on {}: bookie {}, ledgers in {}, journal in {}, http {}, run by {} as {}",
        "{2} 上的 {1}：bookie {3}，账本在 {4}，日志在 {5}，http {6}，由 {7} 以用户 {8} 运行",
    ),
    (
        "{} on {}: bookie {}, ledgers in {}, journal in {}, configuration {}, started by hand",
        "{2} 上的 {1}：bookie {3}，账本在 {4}，日志在 {5}，配置 {6}，手动启动",
    ),
    (
        "{} on {}: bookie {}, ledgers in {}, journal in {}, configuration {}, started by {}",
        "{2} 上的 {1}：bookie {3}，账本在 {4}，日志在 {5}，配置 {6}，由 {7} 启动",
    ),
    (
        "nothing is changed on any host: the agents only record where the bookies are",
        "任何主机上都不作更改：agent 只记录 bookie 的位置",
    ),
    ("metadata at {}, instance {}", "元数据在 {1}，实例 {2}"),
    ("never fewer than {} bookies", "bookie 不少于 {1} 个"),
    ("{} asks for {}/{}/{} in isolation group {}", "{1} 要求 {2}/{3}/{4}，在隔离组 {5} 中"),
    ("{} asks for {}/{}/{}", "{1} 要求 {2}/{3}/{4}"),
    ("data move: {}", "数据迁移速度：{1}"),
    (
        "what the brokers ask for is not known: give managedLedgerDefaultEnsembleSize, WriteQuorum and AckQuorum with --option broker=E/Qw/Qa, and policies of namespaces with --option policy.TENANT/NAMESPACE=E/Qw/Qa; without them only the ledgers that are there count when bookies leave",
        "不知道 broker 的要求：请用 --option broker=E/Qw/Qa 给出 managedLedgerDefaultEnsembleSize、WriteQuorum 和 AckQuorum，用 --option policy.TENANT/NAMESPACE=E/Qw/Qa 给出命名空间的策略；否则 bookie 离开时只考虑已有的账本",
    ),
    (
        "the configuration is that of {}, by the keys that Bellows knows",
        "配置取自 {1}，只取 Bellows 认识的配置项",
    ),
    ("not taken over from {}: {}", "未从 {1} 沿用：{2}"),
    (
        "racks and isolation groups are not set: where Pulsar uses them, tell it of the new bookie by hand: pulsar-admin bookies set-bookie-rack",
        "不设置机架和隔离组：Pulsar 使用它们时，请手动告知新 bookie：pulsar-admin bookies set-bookie-rack",
    ),
    ("{} is in rack {}, isolation group {}", "{1} 在机架 {2}、隔离组 {3}"),
    ("{} is in rack {}, and in no isolation group", "{1} 在机架 {2}，不属于任何隔离组"),
    ("{} is in isolation group {}, its rack is not named", "{1} 在隔离组 {2}，未指明机架"),
    ("the rack of {} is not named: --option {}", "未指明 {1} 的机架：--option {2}"),
    (
        "clients are not told by Bellows where {} stands; before this is applied: have {} answered with {} by the script of {} on every host that has it",
        "Bellows 不告知客户端 {1} 的位置；执行本计划前：在每台有该脚本的主机上，让 {4} 的脚本对 {2} 回答 {3}",
    ),
    (
        "clients are not told by Bellows where {} stands; before this is applied: have {} in {} where {} looks",
        "Bellows 不告知客户端 {1} 的位置；执行本计划前：在 {4} 查找之处把 {2} 放入 {3}",
    ),
    (
        "clients are not told by Bellows where {} stands; before this is applied: {}",
        "Bellows 不告知客户端 {1} 的位置；执行本计划前：{2}",
    ),
    (
        "clients are not told by Bellows that {} has left; when this is done: take {} out of the script of {} on every host",
        "Bellows 不告知客户端 {1} 已离开；完成后：在每台主机上从 {3} 的脚本中去掉 {2}",
    ),
    (
        "clients are not told by Bellows that {} has left; when this is done: take {} out where {} looks",
        "Bellows 不告知客户端 {1} 已离开；完成后：在 {3} 查找之处去掉 {2}",
    ),
    (
        "clients are not told by Bellows that {} has left; when this is done: {}",
        "Bellows 不告知客户端 {1} 已离开；完成后：{2}",
    ),
    (
        "{} is not taken over: the autorecovery daemon of {} knows no racks, and may put copies into one",
        "{1} 不沿用：{2} 的自动恢复守护进程不知道机架，可能把各副本放进同一机架",
    ),
    (
        "no data move by themselves: ledgers that are there stay where they are; new ledgers use the new bookies too",
        "数据不会自行迁移：已有账本留在原处；新账本也会使用新 bookie",
    ),
    // Bookies that leave: titles of steps.
    ("check that the cluster is healthy and can do without them", "检查集群健康，且可以没有它们"),
    ("check again that the cluster can do without {}", "再次检查集群可以没有 {1}"),
    ("check that the cluster can do without {}", "检查集群可以没有 {1}"),
    ("check that {} is dead and the others are healthy", "检查 {1} 已死，其他成员健康"),
    ("have all ledgers audited", "审计所有账本"),
    ("wait until no ledger lacks a copy", "等待没有账本缺少副本"),
    ("make {} on {} read-only", "把 {2} 上的 {1} 设为只读"),
    (
        "wait until all see {} read-only, and the others writable",
        "等待所有成员看到 {1} 只读，其他可写",
    ),
    (
        "copy the ledgers of {} to the others, at {} on {}",
        "在 {3} 的 {2} 上，把 {1} 的账本复制到其他 bookie",
    ),
    (
        "copy the ledgers of {} from their other copies, at {} on {}",
        "在 {3} 的 {2} 上，从其他副本复制 {1} 的账本",
    ),
    (
        "wait until {} holds no ledger, and no ledger lacks a copy",
        "等待 {1} 不再持有账本，且没有账本缺少副本",
    ),
    ("wait until {} holds no ledger", "等待 {1} 不再持有账本"),
    (
        "wait until {} is in no ledger's metadata, and no ledger lacks a copy",
        "等待账本元数据中不再有 {1}，且没有账本缺少副本",
    ),
    ("wait until the last ledger of {} has expired", "等待 {1} 的最后一个账本过期"),
    ("stop and disable the bookie {} on {}", "停止 {2} 上的 bookie {1} 并取消开机自启"),
    (
        "wait until nobody sees {} registered, and it holds no ledger still",
        "等待没有成员看到 {1} 注册，且它仍不持有账本",
    ),
    ("wait until nobody sees {} registered", "等待没有成员看到 {1} 注册"),
    ("wait until nobody counts with {}", "等待没有成员再计入 {1}"),
    ("keep the cookie of {} on {}", "在 {2} 上保存 {1} 的 cookie"),
    ("delete the cookie of {}, at {} on {}", "在 {3} 的 {2} 上删除 {1} 的 cookie"),
    ("decommission {}, at {} on {}", "在 {3} 的 {2} 上让 {1} 退役"),
    ("switch autorecovery on, as it was", "恢复开启自动恢复"),
    ("check that the cookie of {} is gone", "检查 {1} 的 cookie 已不在"),
    ("empty the directories of {} on {}", "清空 {2} 上 {1} 的目录"),
    ("wait until all members see the same bookies", "等待所有成员看到相同的 bookie"),
    // Their reasons.
    (
        "the tools check nothing: where bookies or room are too few, copies are waited for without end",
        "工具不做检查：bookie 或空间不足时，副本会无休止地等待",
    ),
    (
        "the one before has changed where ledgers are and what is free",
        "前一个已改变了账本的位置和空闲空间",
    ),
    (
        "that no ledger lacks a copy is known only after an audit; the auditor does it by itself once in a day or a week",
        "只有审计之后才知道没有账本缺少副本；审计者自己一天或一周才做一次",
    ),
    (
        "what lacks a copy may lose the last one while others move",
        "缺少副本的账本，可能在迁移其他账本时失去最后一份",
    ),
    (
        "no new ledger comes to it; it goes on serving what it has",
        "不再有新账本到它上面；它继续提供已有的数据",
    ),
    (
        "a setting that reached others too would leave nobody to write to",
        "如果设置也波及其他 bookie，就没有可写的了",
    ),
    (
        "it lives and is read from: every ledger keeps all its copies; one that is being written is closed, and its writer goes on with another",
        "它还在运行并被读取：每个账本保有全部副本；正在写入的账本被关闭，写入者换另一个继续",
    ),
    (
        "by the ledgers' metadata and by the shell, two readings: what the command says of itself proves nothing",
        "以账本元数据和 shell 两个读数为准：命令自己说的不算证明",
    ),
    ("it holds no ledger any more", "它不再持有账本"),
    (
        "it was writable for others until they saw it read-only: what came late would be found now",
        "其他成员看到它只读之前，它对它们仍可写：迟到的账本此时会被发现",
    ),
    (
        "a bookie does not start without its cookie: with this one it can be made again",
        "没有 cookie，bookie 不能启动：有了这一份就可以重建",
    ),
    (
        "as long as it is there the bookie counts as one that is missing",
        "只要它还在，该 bookie 就算作缺失",
    ),
    (
        "the administrator asks for it; a bookie that comes to this host must find them empty",
        "按管理员的要求；来到该主机的 bookie 必须看到空目录",
    ),
    (
        "from now on its copies are missing, and made anew from the others",
        "从此它的副本缺失，由其他副本重建",
    ),
    ("the command refuses a bookie that is registered still", "命令拒绝仍在注册的 bookie"),
    (
        "it has the ledgers audited, waits until the others have made all copies anew, and deletes the cookie",
        "它让账本接受审计，等待其他 bookie 重建全部副本，然后删除 cookie",
    ),
    ("it was switched off in hours in which nothing may move", "在不得迁移的时段它被关闭"),
    (
        "the command deletes it in the end, and says so also where it did not",
        "命令最后删除它，即使没有删除也会这样说",
    ),
    ("those who wrote its ledgers delete them in their own time", "写入这些账本的一方到时自行删除"),
    (
        "two readings: its agent is silent, and nobody sees it registered",
        "两个读数：其代理没有回应，没有成员看到它注册",
    ),
    (
        "every ledger gets the copy back that was lost; one that is being written is closed, and its writer goes on with another",
        "每个账本补回失去的副本；正在写入的账本被关闭，写入者换另一个继续",
    ),
    // Their notes.
    ("way={}: not possible: {}", "way={1}：不可行：{2}"),
    (
        "way={}: redundancy meanwhile: {}; time: {}; load: {}; the way back: {}",
        "way={1}：期间的冗余：{2}；用时：{3}；负载：{4}；返回：{5}",
    ),
    ("{}, chosen", "{1}（已选）"),
    ("every ledger keeps all its copies at all times", "每个账本始终保有全部副本"),
    (
        "every ledger of it has one copy less, until that one is made anew from the others",
        "它的每个账本少一份副本，直到由其他副本重建",
    ),
    ("every ledger keeps all its copies until it is deleted", "每个账本在删除之前保有全部副本"),
    (
        "{} for {} of about {}, and up to 6 min more until it is seen",
        "{2}，约 {3}，需要 {1}，另加最多 6 分钟才能看到结果",
    ),
    ("{} for {} of about {}", "{2}，约 {3}，需要 {1}"),
    (
        "until {} of about {} are deleted by those who wrote them: days or weeks",
        "直到 {1}（约 {2}）被写入者删除：数天或数周",
    ),
    ("{} ledgers", "{1} 个账本"),
    ("{} ledger", "{1} 个账本"),
    (
        "the host of {} reads and sends all of it, as fast as it goes",
        "{1} 的主机读取并发送全部数据，全速",
    ),
    (
        "the host of {} reads and sends all of it, by the budget ({})",
        "{1} 的主机读取并发送全部数据，按预算（{2}）",
    ),
    (
        "those who stay copy among themselves, as fast as they go; in hours of 0 autorecovery is switched off",
        "留下的 bookie 之间互相复制，全速；速率为 0 的时段关闭自动恢复",
    ),
    (
        "those who stay copy among themselves, as fast as they go",
        "留下的 bookie 之间互相复制，全速",
    ),
    ("none: nothing is copied", "无：不复制任何数据"),
    ("until the end: {}", "到结束为止：{1}"),
    ("until its directories are emptied: {}", "到清空其目录为止：{1}"),
    ("it is writable again; what was copied stays copied", "它恢复可写；已复制的留在原处"),
    (
        "the command is ended and the bookie started again; what was copied stays copied",
        "终止命令，重新启动 bookie；已复制的留在原处",
    ),
    ("it is writable again, and nothing was done in vain", "它恢复可写，没有白做的工作"),
    (
        "{} was adopted: its files stay as they are; its service on {} is stopped for good",
        "{1} 是接管的：其文件保持原样；{2} 上的服务永久停止",
    ),
    ("the directories of {} are kept: {} on {}", "{1} 的目录保留：{3} 上的 {2}"),
    ("the directories of {} are emptied: {} on {}", "{1} 的目录被清空：{3} 上的 {2}"),
    (
        "a bookie comes back to such a host only as a new one: its directories emptied by hand, another name, then bellows expand",
        "bookie 只能作为新的回到这样的主机：手工清空其目录，换一个名字，然后 bellows expand",
    ),
    (
        "a cancel, at any time before the end, puts cookies back, starts what was stopped and makes {} writable again; ledgers that were copied meanwhile stay where they are, and what is left of them is removed by the bookie itself: that work was in vain",
        "结束之前随时可以取消：恢复 cookie，启动已停止的，让 {1} 恢复可写；其间已复制的账本留在新的位置，残留的由 bookie 自行清除：这些工作白做了",
    ),
    (
        "there is no way back from step {} on, which removes data; until then a cancel puts cookies back, starts what was stopped and makes {} writable again; ledgers that were copied meanwhile stay where they are, and what is left of them is removed by the bookie itself: that work was in vain",
        "从第 {1} 步起无法返回，该步骤删除数据；在此之前可以取消：恢复 cookie，启动已停止的，让 {2} 恢复可写；其间已复制的账本留在新的位置，残留的由 bookie 自行清除：这些工作白做了",
    ),
    ("{} holds {} of about {}", "{1} 持有{2}，约 {3}"),
    (
        "{} at {}: writers that are idle are cut off from theirs and begin another; the others leave {} with their next entry",
        "{2} 上有 {1}：空闲的写入者被隔离并另开一个；其他写入者在写下一条记录时离开 {3}",
    ),
    ("{} open ledgers", "{1} 个打开的账本"),
    ("{} open ledger", "{1} 个打开的账本"),
    (
        "{} leaves: the last by name, numbers counted as numbers",
        "{1} 离开：按名字排在最后，数字按数值比较",
    ),
    (
        "{} leave, one after another: the last by name, numbers counted as numbers",
        "{1} 逐个离开：按名字排在最后，数字按数值比较",
    ),
    (
        "{} is named dead and is not asked for anything. Were it not off, {} would come back into the cluster in the middle of this. Say that it is off only when it is: power, or its port at the switch",
        "{1} 被称为已死，不向它请求任何事。如果它没有关机，{2} 会在中途回到集群。只有确实关闭（电源，或交换机端口）时才声明它已关闭",
    ),
    (
        "the ledgers of {} have one copy less until they are copied from the others",
        "{1} 的账本在从其他副本复制之前少一份副本",
    ),
    (
        "when {} comes back, its agent gets a tombstone for {} before anything else: its service is stopped and disabled. Until the coordinator reaches that agent the bookie tries to start; without its cookie it is refused",
        "{1} 回来时，其代理先于一切得到 {2} 的墓碑：服务被停止并取消开机自启。在协调器联系到该代理之前，bookie 会尝试启动；没有 cookie，启动会被拒绝",
    ),
    (
        "{} was adopted: if agent.toml of {} does not name its unit, the agent there refuses the tombstone: disable it by hand before that host is used again",
        "{1} 是接管的：如果 {2} 的 agent.toml 没有写明其服务单元，那里的代理会拒绝墓碑：再次使用该主机之前请手工禁用它",
    ),
    (
        "there is no way back from step {} on; until then a cancel puts the cookie of {} back and takes the new one out again; ledgers that were copied meanwhile stay where they are",
        "从第 {1} 步起无法返回；在此之前可以取消：恢复 {2} 的 cookie，并把新的移出；其间已复制的账本留在新的位置",
    ),
    (
        "from now on no operation leaves fewer than {} bookies; until now: {}",
        "从现在起任何操作都不会使 bookie 少于 {1} 个；此前：{2}",
    ),
    (
        "from now on bookies are left for what clients ask for: {}; until now: {}",
        "从现在起按客户端的要求保留 bookie：{1}；此前：{2}",
    ),
    (
        "{} asks for an ensemble of {}: with {} bookies no bookie can leave, and none may fail",
        "{1} 要求 ensemble 为 {2}：只有 {3} 个 bookie 时，一个都不能离开，也不能坏",
    ),
    (
        "from now on bookies are left in so many racks: {}; until now: {}",
        "从现在起保留 bookie 的机架数：{1}；此前：{2}",
    ),
    ("as the members' configuration says", "按成员的配置"),
    ("from now on bookies stand in: {}; until now: {}", "从现在起 bookie 的位置：{1}；此前：{2}"),
    ("Bellows counts with it and tells no client", "Bellows 据此计算，不告知任何客户端"),
    (
        "clients are told where bookies stand in /bookies of the ZooKeeper that has the metadata, where those of Pulsar look; what it says of others stays",
        "在存放元数据的 ZooKeeper 的 /bookies 中告知客户端各 bookie 的位置，Pulsar 的客户端在那里查找；其中关于其他 bookie 的内容不变",
    ),
    (
        "from now on clients are told by hand where bookies stand; what they were told stays",
        "从现在起手动告知客户端各 bookie 的位置；已告知的内容不变",
    ),
    ("tell clients nothing of {} any more", "不再告知客户端 {1} 的位置"),
    (
        "where a bookie stood that has left is nobody's business, and another one may get its address",
        "已离开的 bookie 的位置与任何人无关，而且它的地址可能归另一个 bookie 使用",
    ),
    ("tell clients that {} is in rack {}", "告知客户端 {1} 在机架 {2}"),
    (
        "tell clients that {} is in rack {}, isolation group {}",
        "告知客户端 {1} 在机架 {2}、隔离组 {3}",
    ),
    (
        "by it clients put the copies of an entry into different racks, and into their isolation groups",
        "客户端据此把同一条记录的副本放进不同的机架，放进各自的隔离组",
    ),
    ("from now on data move at: {}; until now: {}", "从现在起迁移数据的速率：{1}；此前：{2}"),
    ("as fast as it goes", "全速"),
    // Guards.
    ("what Bellows does for BookKeeper", "Bellows 能为 BookKeeper 做什么"),
    ("BookKeeper is installed", "已安装 BookKeeper"),
    ("all bookies run and are writable", "所有 bookie 运行且可写"),
    ("every bookie of the cluster is a member here", "集群的每个 bookie 都是这里的成员"),
    ("one metadata service, one instance", "同一元数据服务，同一实例"),
    ("the metadata service answers in time", "元数据服务及时应答"),
    ("the HTTP admin API is on", "HTTP 管理接口已开启"),
    ("directories absent or empty, and the service free", "目录不存在或为空，服务名空闲"),
    ("one bookie of a cluster per host", "每台主机只有集群的一个 bookie"),
    ("no cookie of its id", "没有该标识的 cookie"),
    ("a host that can take a bookie", "主机能够运行 bookie"),
    ("a member to take the settings from", "有可供沿用配置的成员"),
    ("a bookie to adopt on each host", "每台主机上有要接管的 bookie"),
    ("a bookie that can be read", "bookie 可以读取"),
    ("every bookie's host is named", "写出每个 bookie 的主机"),
    ("ids that are addresses", "以地址为标识"),
    ("minimum bookies", "bookie 的最少数目"),
    ("more bookies than any ensemble", "bookie 多于任何 ensemble 的需要"),
    ("room for its ledgers at those who stay", "留下的 bookie 有空间容纳其账本"),
    ("no ledger has its only copy there", "没有账本的唯一副本在那里"),
    (
        "autorecovery on, with an auditor and somebody who copies",
        "自动恢复已开启，有审计者和复制者",
    ),
    ("no ledger lacks a copy", "没有账本缺少副本"),
    ("stays read-only over a restart", "重启后保持只读"),
    ("hours in which data may move", "有允许迁移数据的时段"),
    ("a budget that can be kept", "限速可以遵守"),
    ("a bookie that is named dead is registered nowhere", "声明已死的 bookie 未在任何地方注册"),
    ("no ledger is lost with a dead bookie", "没有账本随已死的 bookie 丢失"),
    ("lost ledgers that can be listed", "丢失的账本可以列出"),
    ("racks enough for the copies", "机架足够放置副本"),
];
